// Reproducible rows of correlated numbers for tests of calibration.
#pragma once

#include <random>
#include <vector>

#include "base/view.h"
#include "calib/solve/types.h"

namespace lowkey::testing {

/// [n, d] floats: Gaussian, mixed by a random matrix, plus a random offset.
inline std::vector<float> random_rows(int64_t n, int d, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> mixing(size_t(d * d)), offset(static_cast<size_t>(d)), x(size_t(n * d));
  for (float& value : mixing) value = normal(engine);
  for (float& value : offset) value = normal(engine);
  std::vector<float> white(static_cast<size_t>(d));
  for (int64_t i = 0; i < n; ++i) {
    for (float& value : white) value = normal(engine);
    for (int r = 0; r < d; ++r) {
      float sum = offset[size_t(r)];
      for (int c = 0; c < d; ++c) {
        sum += mixing[size_t(r * d + c)] * white[size_t(c)] / float(1 + 3 * c);
      }
      x[size_t(i * d + r)] = sum;
    }
  }
  return x;
}

/// The same numbers as a matrix of doubles [n, d].
inline calib::Matrix as_matrix(MatrixView<const float> x) {
  calib::Matrix out(x.rows, x.cols);
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t j = 0; j < x.cols; ++j) out(i, j) = double(x.row(i)[j]);
  }
  return out;
}

}  // namespace lowkey::testing
