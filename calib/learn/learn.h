// Learns the bases of a whole model, layer by layer, from those that a file already holds.
#pragma once

#include <functional>
#include <span>

#include "calib/checkpoint.h"
#include "calib/objective/method.h"
#include "calib/problem.h"
#include "engine/engine.h"
#include "models/basis/basis.h"

namespace lowkey::calib {

struct LearnOptions {
  ProblemOptions problem;
  Learning learning = Learning::kDescent;
  int n_chunk = 1024;
  int64_t n_positions = 8192;
  int n_sinks = 4, window = 32;
  int n_threads = 1;
  uint64_t seed = 0;
  int restarts = 1;  // tries of a layer, from other seeds; the best on texts held back stays
  /// Widths that the bases must serve, one for each budget: file.layers' with other widths.
  std::vector<models::BasisFile> plans;
  Checkpoint checkpoint;  // each layer is kept as "learned-LAYER" when it is done
  /// Stage, units done, units in all; false stops.
  std::function<bool(const char* stage, int64_t done, int64_t total)> progress;
  /// Bases that are learned: their loss on texts held back, relative to the start's;
  /// mean over the layers that have one.
  std::function<void(double loss)> on_loss;
};

/// Mean over layers of the loss relative to the start's, on texts held back.
struct LearnReport {
  double loss = 1;
};

/// Gives the keys of a layer's heads one basis, as StiefAttention has it: the method's of all of
/// them together. The file's bases are per head. Not for rotary centring, whose means differ.
Status share_key_bases(const std::vector<LayerStatistics>& statistics,
                       const ProblemOptions& options, const Method& method,
                       models::BasisFile& file);

/// Replaces the file's bases; their order and widths stay. The same arguments give the same bits
/// at any thread count.
Result<LearnReport> learn_bases(const engine::Engine& engine, std::span<const int32_t> tokens,
                                const std::vector<LayerStatistics>& statistics,
                                const LearnOptions& options, models::BasisFile& file);

/// The same on the divergence of the model's output, all layers together: what a layer's error
/// costs is then what later layers make of it. loss: relative to the start's, on texts held back.
Result<LearnReport> learn_end_to_end(const engine::Engine& engine, std::span<const int32_t> tokens,
                                     const std::vector<LayerStatistics>& statistics,
                                     const LearnOptions& options, models::BasisFile& file);

}  // namespace lowkey::calib
