// The loop that learns one layer's bases: steps on drawn budgets, an eye on texts held back.
#pragma once

#include <functional>
#include <vector>

#include "calib/learn/layer_loss.h"

namespace lowkey::calib {

struct DescentOptions {
  int n_epochs = 30;  // at most
  int patience = 5;   // epochs without progress on the texts held back
  int texts_per_step = 2;
  double rate = 0.003;
  uint64_t seed = 0;
  /// After each epoch: the loss on the texts held back, relative to the start; false stops.
  std::function<bool(int epoch, double loss)> progress;
};

/// Losses on the texts held back, mean over plans, relative to the start.
struct DescentReport {
  double loss = 1;
  int epochs = 0;
};

/// How a gradient moves the bases.
class BasisSteps {
 public:
  virtual ~BasisSteps() = default;
  virtual void step(const LayerGradient& gradient, LayerBases& bases) = 0;
};

/// Updates in an epoch over the texts that are not held back.
int64_t steps_per_epoch(const LayerLoss& loss, const DescentOptions& options);

/// Learns in place. Each step draws one of `plans`, so that the same bases are good at every
/// truncation and rounding (Matryoshka); the last sixth of the texts are held back to decide when
/// to stop and which epoch to keep.
DescentReport descend(const LayerLoss& loss, const std::vector<LayerWidths>& plans,
                      const DescentOptions& options, BasisSteps& steps, LayerBases& bases);

}  // namespace lowkey::calib
