// AdamW (arXiv 1711.05101) with a cosine schedule, for a handful of matrices.
#pragma once

#include <span>
#include <vector>

#include "calib/solve/types.h"

namespace lowkey::calib {

struct AdamOptions {
  double rate = 5e-3;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  int64_t n_steps = 0;  // of the cosine from `rate` to 0; 0: constant
};

class Adam {
 public:
  explicit Adam(const AdamOptions& options) : o_(options) {}

  /// To be called once before the updates of a step.
  void begin_step() { ++step_; }
  /// What to add to parameter `id` (0, 1, ...) at value `parameter`, given its gradient.
  Matrix update(size_t id, const Matrix& parameter, const Matrix& gradient);

 private:
  struct Moments {
    Matrix first, second;
  };
  double rate() const;

  AdamOptions o_;
  int64_t step_ = 0;
  std::vector<Moments> moments_;
};

}  // namespace lowkey::calib
