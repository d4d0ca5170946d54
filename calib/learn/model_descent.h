// The loop that learns all layers' bases together, on the divergence of the model's output.
#pragma once

#include <functional>
#include <vector>

#include "calib/learn/model_loss.h"

namespace lowkey::calib {

struct ModelDescentOptions {
  int n_epochs = 6;  // at most
  int patience = 4;  // epochs without progress on the texts held back
  int texts_per_step = 2;
  double rate = 0.005;
  uint64_t seed = 0;
  int n_threads = 1;
  /// After each step: steps done, steps in all, divergence on the texts held back relative to the
  /// start; false stops.
  std::function<bool(int64_t done, int64_t total, double loss)> progress;
};

struct ModelDescentReport {
  double loss = 1;  // on the texts held back, mean over plans, relative to the start
  int epochs = 0;
  bool stopped = false;  // by progress
};

/// Riemannian steps (manifold_steps.h) on all layers at once. Each step draws one of `plans`
/// [plans][layers], so that the bases serve every budget; the last sixth of the texts are held back
/// to decide which epoch to keep. The same arguments give the same bits at any thread count.
ModelDescentReport descend(const ModelLoss& loss,
                           const std::vector<std::vector<LayerWidths>>& plans,
                           const ModelDescentOptions& options, std::vector<LayerBases>& bases);

}  // namespace lowkey::calib
