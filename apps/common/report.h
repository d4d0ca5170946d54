// What a run says about itself: timings and cache sizes.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "engine/session/generate.h"

namespace lowkey::apps {

/// "prompt 12 tokens 340.1/s, generated 64 tokens 310.2/s, KV cache 3.4 MiB (46080 B/token, f16)"
std::string describe_run(const engine::GenerateResult& result, const engine::KvCache& cache);

/// The same as fields.
nlohmann::json run_fields(const engine::GenerateResult& result, const engine::KvCache& cache);

/// "3.4 MiB"
std::string format_bytes(double bytes);

}  // namespace lowkey::apps
