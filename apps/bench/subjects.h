// The caches of a benchmark run, and the machine that it runs on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/bench/forecast.h"
#include "apps/bench/options.h"

namespace lowkey::apps {

struct NamedCache {
  std::string name;  // as in --cache; latents of several budgets: "latent-2.5"
  engine::CacheSpec spec;
};

/// What --cache, -b and --bits say, for a loaded model.
Result<std::vector<NamedCache>> named_caches(const BenchOptions& options,
                                             const engine::Engine& engine);

/// "latent", or "latent-2.5" where `bits` is one of several.
std::string latent_name(const BenchOptions& options, double bits);

/// This machine: bandwidth of the context's threads, and rates of weights of `type`.
Result<engine::Machine> measure_machine(const engine::Context& context,
                                        const models::ModelConfig& config, DType type, bool quiet);

/// The machine of --machine or --dram; false if neither was given.
bool machine_given(const BenchOptions& options);
Result<engine::Machine> given_machine(const BenchOptions& options);

/// The type of most weights of a model.
DType weight_type(const models::Model& model);

}  // namespace lowkey::apps
