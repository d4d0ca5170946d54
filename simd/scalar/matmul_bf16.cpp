#include <algorithm>

#include "base/half.h"
#include "simd/scalar/ops.h"
#include "simd/scalar/panel_code.h"

namespace lowkey::simd::scalar {

void matmul_bf16(const PanelMatrix& w, Range panels, MatrixView<const uint16_t> x,
                 const MatmulOut& out) {
  const int64_t end = std::min(panels.end * kPanelRows, w.n_rows);
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t row = panels.begin * kPanelRows; row < end; ++row) {
      double sum = 0;
      for (int64_t c = 0; c < w.n_cols; ++c) {
        const float rounded = bf16_to_f32(f32_to_bf16(float(weight_at(w, row, c))));
        sum += double(rounded) * double(bf16_to_f32(x.row(t)[c]));
      }
      float& y = out.y[t * out.stride + row];
      y = float((out.accumulate ? y : 0.0) + sum);
    }
  }
}

}  // namespace lowkey::simd::scalar
