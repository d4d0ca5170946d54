// Sampling options, the same in `run` and `chat`.
#pragma once

#include <CLI/CLI.hpp>

#include "engine/sample/sampler.h"

namespace lowkey::apps {

void add_sampling_options(CLI::App& command, engine::SamplerOptions& options);

}  // namespace lowkey::apps
