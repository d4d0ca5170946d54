#include "base/half.h"
#include "simd/scalar/matmul_rows.h"
#include "simd/scalar/ops.h"
#include "simd/scalar/panel_code.h"

namespace lowkey::simd::scalar {

void matmul_bf16(const PanelMatrix& w, Range panels, MatrixView<const uint16_t> x,
                 const MatmulOut& out) {
  matmul_rows(w, panels, x, out, [&](int64_t row, int64_t c, uint16_t value) {
    const float rounded = bf16_to_f32(f32_to_bf16(float(weight_at(w, row, c))));
    return double(rounded) * double(bf16_to_f32(value));
  });
}

}  // namespace lowkey::simd::scalar
