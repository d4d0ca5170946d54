// The planner's predictions against the model: what is fitted, and what is corrected.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "calib/checkpoint.h"
#include "engine/engine.h"
#include "models/basis/basis.h"

namespace lowkey::calib {

struct FitOptions {
  int n_chunk = 1024;  // tokens of a context of the text held back
  int n_sinks = 4;
  int window = 32;
  bool rank_only = false;
  Checkpoint checkpoint;
  bool corrected = false;  // sensitivities are not those of the first time
  /// What the file's sensitivities were found to give at a budget, which need not be measured
  /// again.
  struct Known {
    int64_t budget_bits = 0;  // 0: nothing is known
    double kld = 0;
  } known;
  /// Stage, units done, units in all; false stops.
  std::function<bool(const char* stage, int64_t done, int64_t total)> progress;
};

/// y = scale * x^exponent through positive points, least squares of the logarithms; one point, or
/// none that differ, fit the scale alone.
struct PowerLaw {
  double scale = 1, exponent = 1;
};
PowerLaw fit_power_law(std::span<const double> x, std::span<const double> y);

/// Measures the divergence of several budgets end to end on `held_back`, text that nothing was
/// learned from, and fits the file's prediction to them. Widths stay as they are.
Status fit_divergence(const engine::Engine& engine, std::span<const int32_t> held_back,
                      const FitOptions& options, models::BasisFile& file);

struct Correction {
  double kld_before = 0, kld_after = 0;  // on the text held back
  double log_ratio = 0;  // mean logarithm over its positions, after less before: kept if it falls
  bool kept = false;
};

/// A side's divergence alone, measured on few tokens, and what its code does to the layer's output
/// both say what an error costs; sensitivities halfway between them, in the logarithm.
/// kUnsupported without error surfaces.
Result<models::BasisFile> blended_sensitivities(const models::BasisFile& file, bool rank_only);

/// Plans `budget_bits` with the file's sensitivities and with blended ones, and keeps the better
/// sensitivities on `held_back`. Only the policy `global` asks for them: others change nothing.
Result<Correction> blend_sensitivities(const engine::Engine& engine,
                                       std::span<const int32_t> held_back,
                                       const FitOptions& options, int64_t budget_bits,
                                       models::BasisFile& file);

/// Where layers interact, a side's price differs from what it costs alone: measures it on `tokens`
/// at the planned widths, plans anew for as many bits, and keeps that if it is better on
/// `held_back`.
Result<Correction> correct_sensitivities(const engine::Engine& engine,
                                         std::span<const int32_t> tokens,
                                         std::span<const int32_t> held_back,
                                         const FitOptions& options, models::BasisFile& file);

}  // namespace lowkey::calib
