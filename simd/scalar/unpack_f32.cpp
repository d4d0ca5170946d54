#include "simd/scalar/ops.h"
#include "simd/scalar/panel_code.h"

namespace lowkey::simd::scalar {

void unpack_f32(const PanelMatrix& w, int64_t panel, float* out, int64_t stride) {
  for (int64_t r = 0; r < kPanelRows; ++r) {
    const int64_t row = panel * kPanelRows + r;
    for (int64_t c = 0; c < w.n_cols; ++c) {
      out[r * stride + c] = row < w.n_rows ? float(weight_at(w, row, c)) : 0.0f;
    }
  }
}

}  // namespace lowkey::simd::scalar
