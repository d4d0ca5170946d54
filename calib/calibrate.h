// The whole of a closed-form calibration: statistics, bases, sensitivities, widths.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "calib/build.h"
#include "calib/fit.h"
#include "calib/learn/accept.h"
#include "engine/engine.h"
#include "models/basis/basis.h"

namespace lowkey::calib {

struct CalibrateOptions {
  std::string method = "fisher";
  std::string space = "post-rope";  // or "pre-rope"
  std::string centring;             // of keys: none, mean, rotary; empty: what the space allows
  bool joint = false;
  bool shared_keys = false;  // one key basis for all heads of a layer, as `stief` has it anyway
  int n_chunk = 1024;
  int64_t n_positions = 8192;  // positions that the keys' code must fit (see CollectOptions)
  int n_sinks = 4;
  int window = 32;
  double bits = 2.5;           // per element, everything but exact tokens counted
  double keep = 0;             // > 0: rank only, bf16, this share of all coordinates
  int rank_k = 0, rank_v = 0;  // > 0: rank only, bf16
  bool rank_only = false;      // ranks in bf16 for what the next options ask
  std::string policy;          // who gets the bits (calib/plan.h); empty: global, or assign_keep
  int64_t budget_bits = 0;     // > 0: per token, instead of `bits`
  double max_kld = 0;          // > 0: the fewest bits that should not exceed it
  /// Text that nothing is learned from, whole chunks of n_chunk: predictions are checked on it.
  std::vector<int32_t> held_back;
  bool surfaces = false;  // measure error surfaces, which v1 and v2 need
  bool correct = false;   // look for interactions at the planned widths
  uint64_t seed = 0;
  int restarts = 1;  // of learned and stief: tries of each layer, the best stays
  int n_threads = 1;
  bool measure_sensitivity = true;
  /// Of the same model, tokens and options (run_description): finished work is kept in it, and what
  /// it already holds is not done again. The result is the same bit for bit.
  Checkpoint checkpoint;
  /// Stage, units done, units in all; false stops.
  std::function<bool(const char* stage, int64_t done, int64_t total)> progress;
  /// Bases that are learned: their loss on texts held back, relative to the start's.
  std::function<void(double loss)> on_loss;
};

struct CalibrateResult {
  models::BasisFile file;
  SolverReport solver;
  std::vector<double> expected_k, expected_v;  // [n_layers] predicted divergence, nats
  Correction blend;                            // of measured divergences with output errors
  Correction correction;                       // of sensitivities in company, if asked for
  double learned_loss = 1;  // learned bases: a layer's output error relative to the start, mean
  Acceptance acceptance;    // learned bases against their start, on the text held back
};

/// Learns a basis file for `engine`'s model from `tokens`. The same tokens and options give the
/// same file bit for bit at any thread count.
Result<CalibrateResult> calibrate(const engine::Engine& engine, std::span<const int32_t> tokens,
                                  const CalibrateOptions& options);

/// What decides the result of a calibration, but the tokens, by the names of the program's options.
nlohmann::json run_description(const engine::Engine& engine, const CalibrateOptions& options);

/// New widths for another budget from what the file holds.
Status reallocate(models::BasisFile& file, double bits);

}  // namespace lowkey::calib
