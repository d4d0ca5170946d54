// Reproducible matrices and central differences for tests of gradients.
#pragma once

#include <random>

#include "calib/rows.h"
#include "calib/solve/types.h"

namespace lowkey::testing {

inline calib::Rows<double> random_matrix(Eigen::Index rows, Eigen::Index cols, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  return calib::Rows<double>::NullaryExpr(rows, cols, [&] { return normal(engine); });
}

/// d loss(x) / dx along `direction`, by a difference of fourth order: its error is that of
/// rounding, about 1e-16 / h of the loss, once h^4 is below it.
template <class X, class Loss>
double slope_along(const X& x, const X& direction, const Loss& loss, double h = 1e-3) {
  const auto at = [&](double t) { return loss(X(x + t * direction)); };
  return (8.0 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12.0 * h);
}

}  // namespace lowkey::testing
