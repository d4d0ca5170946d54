// Bases by descent on the layer's output error, from any bases that a closed form gave.
#pragma once

#include <functional>
#include <vector>

#include "calib/learn/layer_loss.h"

namespace lowkey::calib {

struct DescentOptions {
  int n_epochs = 30;       // at most
  int patience = 5;        // epochs without progress on the texts held back
  int texts_per_step = 2;
  double rate = 0.02;      // of a coordinate's own size, turned towards another by a step
  bool orthonormal = false;  // turn only: the metric of the closed form is kept
  uint64_t seed = 0;
  /// After each epoch: the loss on the texts held back, relative to the start; false stops.
  std::function<bool(int epoch, double loss)> progress;
};

/// How it went: losses on the texts held back, mean over plans, relative to the start.
struct DescentReport {
  double loss = 1;
  int epochs = 0;
};

/// Learns in place. Each step draws one of `plans`, so that every plan's truncation and rounding
/// is good on the same bases (Matryoshka); the last sixth of the texts are held back to decide
/// when to stop and which epoch to keep.
DescentReport descend(const LayerLoss& loss, const std::vector<LayerWidths>& plans,
                      const DescentOptions& options, LayerBases& bases);

}  // namespace lowkey::calib
