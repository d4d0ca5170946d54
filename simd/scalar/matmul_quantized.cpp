#include <algorithm>

#include "simd/scalar/ops.h"
#include "simd/scalar/panel_code.h"

namespace lowkey::simd::scalar {

namespace {

double dot_row(const PanelMatrix& w, int64_t row, const Activations& a, int64_t t) {
  double sum = 0;
  for (int64_t c = 0; c < w.n_cols; ++c) {
    const int64_t at = t * a.n_cols + c;
    const double scale = a.scale[at / kBlockCols];
    sum += weight_at(w, row, c) * scale * (128 * a.hi[at] + (a.lo ? a.lo[at] : 0));
  }
  return sum;
}

}  // namespace

void matmul_quantized(const PanelMatrix& w, Range panels, const Activations& a,
                      const MatmulOut& out) {
  const int64_t end = std::min(panels.end * kPanelRows, w.n_rows);
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    for (int64_t row = panels.begin * kPanelRows; row < end; ++row) {
      float& y = out.y[t * out.stride + row];
      y = float((out.accumulate ? y : 0.0) + dot_row(w, row, a, t));
    }
  }
}

}  // namespace lowkey::simd::scalar
