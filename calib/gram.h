// Second moments of rows of activations, summed in double and in a fixed order.
#pragma once

#include <span>
#include <vector>

#include "base/view.h"
#include "calib/solve/types.h"

namespace lowkey::calib {

/// Sums over rows x_n with weights w_n: w, w x and w x x^T. Rows are taken in fixed blocks, so that
/// the same calls in the same order give the same bits whatever runs beside them.
class Gram {
 public:
  Gram() = default;
  explicit Gram(int dim) : second_(Matrix::Zero(dim, dim)), first_(Vector::Zero(dim)) {}

  /// x [n, dim]; weights [n] or empty for 1.
  void accumulate(MatrixView<const float> x, std::span<const float> weights = {});
  /// Adds the sums of `other` (of the same dim). The order of merges is the caller's to fix.
  void merge(const Gram& other);

  /// Appends all sums to `out`; read() takes them back from the start of `numbers` and returns the
  /// rest. `numbers` holds at least n_numbers().
  void write(std::vector<double>& out) const;
  std::span<const double> read(std::span<const double> numbers);
  size_t n_numbers() const { return 1 + size_t(dim()) + size_t(dim()) * size_t(dim() + 1) / 2; }

  int dim() const { return int(first_.size()); }
  double weight() const { return weight_; }
  Vector mean() const { return first_ / positive_weight(); }
  Matrix moment() const;      // E[x x^T]
  Matrix covariance() const;  // E[x x^T] - E[x] E[x]^T

 private:
  double positive_weight() const { return weight_ > 0 ? weight_ : 1.0; }

  Matrix second_;  // lower triangle only
  Vector first_;
  double weight_ = 0;
};

}  // namespace lowkey::calib
