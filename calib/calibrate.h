// The whole of a closed-form calibration: statistics, bases, sensitivities, widths.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "calib/build.h"
#include "engine/engine.h"
#include "models/basis/basis.h"

namespace lowkey::calib {

struct CalibrateOptions {
  std::string method = "fisher";
  std::string space = "post-rope";  // or "pre-rope"
  std::string centring;             // of keys: none, mean, rotary; empty: what the space allows
  bool joint = false;
  int n_chunk = 1024;
  int64_t n_positions = 8192;  // positions that the keys' code must fit (see CollectOptions)
  int n_sinks = 4;
  int window = 32;
  double bits = 2.5;           // per element, everything but exact tokens counted
  double keep = 0;             // > 0: rank only, bf16, this share of all coordinates
  int rank_k = 0, rank_v = 0;  // > 0: rank only, bf16
  uint64_t seed = 0;
  int n_threads = 1;
  bool measure_sensitivity = true;
  /// Stage, units done, units in all; false stops.
  std::function<bool(const char* stage, int64_t done, int64_t total)> progress;
};

struct CalibrateResult {
  models::BasisFile file;
  SolverReport solver;
  std::vector<double> expected_k, expected_v;  // [n_layers] predicted divergence, nats
  double learned_loss = 1;  // learned bases: a layer's output error relative to the start, mean
};

/// Learns a basis file for `engine`'s model from `tokens`. The same tokens and options give the
/// same file bit for bit at any thread count.
Result<CalibrateResult> calibrate(const engine::Engine& engine, std::span<const int32_t> tokens,
                                  const CalibrateOptions& options);

/// New widths for another budget from what the file holds.
Status reallocate(models::BasisFile& file, double bits);

}  // namespace lowkey::calib
