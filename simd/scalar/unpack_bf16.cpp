#include "base/half.h"
#include "simd/scalar/ops.h"
#include "simd/scalar/panel_code.h"

namespace lowkey::simd::scalar {

void unpack_bf16(const PanelMatrix& w, int64_t panel, uint16_t* out, int64_t stride) {
  for (int64_t r = 0; r < kPanelRows; ++r) {
    const int64_t row = panel * kPanelRows + r;
    for (int64_t c = 0; c < w.n_cols; ++c) {
      out[r * stride + c] = f32_to_bf16(row < w.n_rows ? float(weight_at(w, row, c)) : 0.0f);
    }
  }
}

}  // namespace lowkey::simd::scalar
