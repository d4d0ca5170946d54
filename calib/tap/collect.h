// Runs a text through the model and gathers what calibration needs of every layer.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "calib/checkpoint.h"
#include "calib/statistics.h"
#include "engine/engine.h"

namespace lowkey::calib {

struct CollectOptions {
  StatisticsPlan plan;
  int n_chunk = 1024;  // tokens per context
  /// The chunks are spread over positions [0, n_positions): attention sees distances only, but a
  /// key after RoPE points elsewhere at every position, and its code must fit all of them.
  int64_t n_positions = 8192;
  int n_sinks = 4;  // never coded: they take no part in the statistics
  int window = 32;  // read exactly by a query: their codes do not matter to it
  int n_threads = 1;
  Checkpoint checkpoint;  // the sums are kept as "statistics"
  /// Tokens done, tokens in all; false stops.
  std::function<bool(int64_t done, int64_t total)> progress;
};

/// One entry per layer. The text is cut into chunks of n_chunk tokens, each a context of its own;
/// the same text gives the same bits at any thread count.
Result<std::vector<LayerStatistics>> collect_statistics(const engine::Engine& engine,
                                                        std::span<const int32_t> tokens,
                                                        const CollectOptions& options);

}  // namespace lowkey::calib
