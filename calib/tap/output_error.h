// Error surfaces: how far a decoder layer's output moves when its keys and values are coded with
// so many bits each.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "calib/checkpoint.h"
#include "engine/engine.h"
#include "models/basis/basis.h"

namespace lowkey::calib {

struct OutputErrorOptions {
  int n_texts = 2;     // spread over the tokens
  int n_chunk = 1024;  // tokens of each
  int n_queries = 48;  // of each that are looked at
  int64_t n_positions = 8192;
  int n_sinks = 4;
  int window = 32;
  int n_threads = 1;
  bool rank_only = false;
  Checkpoint checkpoint;  // surfaces are kept as "surfaces"
  /// Layers done, layers in all; false stops.
  std::function<bool(int64_t done, int64_t total)> progress;
};

/// Levels at which surfaces are measured, in bits per element of a side.
std::vector<double> profile_levels(bool rank_only);

/// The file with every side at `level` bits per element, shared out over its heads.
Result<models::BasisFile> file_at_level(models::BasisFile file, bool rank_only, double level);

/// Fills levels and surfaces of the file's profile. Measured for each level: keys coded alone,
/// values coded alone, and both at once; the rest of the grid is the sum of the two alone, times
/// what both at once were found to cost more or less than the sum.
Status measure_surfaces(const engine::Engine& engine, std::span<const int32_t> tokens,
                        const OutputErrorOptions& options, models::BasisFile& file);

/// The grid of those three rows of errors.
std::vector<float> error_surface(std::span<const double> keys, std::span<const double> values,
                                 std::span<const double> both);

}  // namespace lowkey::calib
