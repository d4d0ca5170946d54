// How much the model's output suffers when one layer's keys, or values, are coded.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "calib/checkpoint.h"
#include "engine/engine.h"
#include "models/basis/basis.h"

namespace lowkey::calib {

struct SensitivityOptions {
  int n_chunks = 1;   // more of them were not worth their time (docs/latent-cache.md)
  int n_chunk = 256;  // tokens per context
  int stride = 1;     // every so many-th position of a context's last three quarters is looked at
  int n_sinks = 4;
  int window = 32;
  Checkpoint checkpoint;
  const char* piece = "sensitivity";  // what the checkpoint keeps the divergences as
  std::function<bool(int done, int total)> progress;  // false stops
};

/// Mean KL divergence (nats) from the exact cache when only one layer's keys [l][0], or values
/// [l][1], pass through the code of `file`. Layers differ by factors of hundreds.
Result<std::vector<std::array<double, 2>>> measure_sensitivity(
    const engine::Engine& engine, std::span<const int32_t> tokens,
    std::shared_ptr<const models::BasisFile> file, const SensitivityOptions& options);

/// What each side adds to the divergence when everything is coded: that of all minus that of all
/// but this side. May be negative where errors cancel.
Result<std::vector<std::array<double, 2>>> measure_marginals(
    const engine::Engine& engine, std::span<const int32_t> tokens,
    std::shared_ptr<const models::BasisFile> file, const SensitivityOptions& options);

}  // namespace lowkey::calib
