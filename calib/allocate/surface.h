// A layer's error over the bits of its keys and of its values, and the best split of any total.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lowkey::calib {

/// Errors on a grid; between its points the logarithm of the error is linear.
class ErrorSurface {
 public:
  /// levels: rising, at least two; errors [K's level, V's level], at least 0. Both are copied.
  ErrorSurface(std::span<const double> levels, std::span<const float> errors);

  /// Error at these bits per element; beyond the grid, the value at its edge.
  double at(double bits_k, double bits_v) const;
  double lowest() const { return levels_.front(); }
  double highest() const { return levels_.back(); }

 private:
  std::vector<double> levels_, logs_;
};

/// A split of a layer's bits, in units that both sides are given out in.
struct Split {
  int k = 0, v = 0;
  double error = 0;

  int total() const { return k + v; }
};

/// The best split for each total that lowers the error: totals rise and errors fall strictly along
/// it. A unit is `unit_bits` per element of one side; sides get at least surface.lowest() and at
/// most surface.highest(), rounded up to units.
std::vector<Split> pareto_front(const ErrorSurface& surface, double unit_bits);

/// Everything below: one front per layer, and the units of all layers together. Returns one split
/// per layer; where even the cheapest ones are too dear, those.

/// StiefAttention's v1 asks each layer for the fewest units whose error is below a bound common to
/// all; here the bound is the lowest that `budget` units can pay for.
std::vector<Split> split_by_error(std::span<const std::vector<Split>> fronts, int64_t budget);

/// StiefAttention's v2: layer after layer takes the best split within its share of what is left,
/// shares being in proportion to `weights`; what it does not use is left to those after it.
std::vector<Split> split_in_order(std::span<const std::vector<Split>> fronts, int64_t budget,
                                  std::span<const double> weights);

/// The paper's weights of positions: 2 for the early quarter of the layers, 1.75 for the late one,
/// 1 between.
std::vector<double> position_weights(size_t n_layers);

}  // namespace lowkey::calib
