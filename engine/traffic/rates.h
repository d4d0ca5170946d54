// How many products this machine's kernels add up per second when memory is not in the way, and how
// much of the memory's bandwidth they reach when it is: measured on operands that lie in the caches
// and on operands that cannot, through the same code that a decode step runs.
#pragma once

#include "base/dtype.h"
#include "engine/context.h"
#include "engine/kv/spec.h"
#include "engine/traffic/machine.h"
#include "models/config.h"

namespace lowkey::engine {

/// Sets the rates of weights of `type` in matrices of the model's usual size, for 1 to 32 rows and
/// for as many as threads share out among them, and the seconds of a row. The machine's curve must
/// be known.
Status measure_weight_rates(const Context& context, const models::ModelConfig& config, DType type,
                            Machine& machine);

/// Sets rates and efficiency of attention over a cache of `spec`, and the seconds of a sequence,
/// alone and among others (bases of latents included).
Status measure_attend_rates(const Context& context, const models::ModelConfig& config,
                            const CacheSpec& spec, Machine& machine);

/// A latent code of about `bits` per element that codes nothing in particular: to time a cache for
/// which no basis was learnt.
CacheSpec placeholder_latents(const models::ModelConfig& config, double bits);

}  // namespace lowkey::engine
