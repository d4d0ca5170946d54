#include <algorithm>

#include "simd/scalar/ops.h"
#include "simd/scalar/panel_code.h"

namespace lowkey::simd::scalar {

void matmul_float(const PanelMatrix& w, Range panels, MatrixView<const float> x,
                  const MatmulOut& out) {
  const int64_t end = std::min(panels.end * kPanelRows, w.n_rows);
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t row = panels.begin * kPanelRows; row < end; ++row) {
      double sum = 0;
      for (int64_t c = 0; c < w.n_cols; ++c) sum += weight_at(w, row, c) * x.row(t)[c];
      float& y = out.y[t * out.stride + row];
      y = float((out.accumulate ? y : 0.0) + sum);
    }
  }
}

}  // namespace lowkey::simd::scalar
