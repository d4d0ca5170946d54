// From a basis file to the code that a cache runs on.
#pragma once

#include <memory>

#include "base/result.h"
#include "engine/kv/latent_code.h"
#include "models/basis/basis.h"
#include "models/config.h"

namespace lowkey::engine {

/// kUnsupported for files that the fused path cannot run: keys before RoPE, joint bases, bf16
/// latents (the simulated path of calib measures those). kInvalidData where the file's dimensions
/// are not those of `config`.
Result<std::shared_ptr<const LatentCode>> latent_code(const models::BasisFile& file,
                                                      const models::ModelConfig& config);

}  // namespace lowkey::engine
