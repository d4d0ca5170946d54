// What the oracles of products of floats share.
#pragma once

#include <algorithm>

#include "simd/kernel_set.h"

namespace lowkey::simd::scalar {

/// y[t, row] = the sum in double of product(row, column, x[t, column]).
template <class X, class Product>
void matmul_rows(const PanelMatrix& w, Range panels, MatrixView<const X> x, const MatmulOut& out,
                 Product product) {
  const int64_t end = std::min(panels.end * kPanelRows, w.n_rows);
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t row = panels.begin * kPanelRows; row < end; ++row) {
      double sum = 0;
      for (int64_t c = 0; c < w.n_cols; ++c) sum += product(row, c, x.row(t)[c]);
      float& y = out.y[t * out.stride + row];
      y = float((out.accumulate ? y : 0.0) + sum);
    }
  }
}

}  // namespace lowkey::simd::scalar
