#include "simd/scalar/matmul_rows.h"
#include "simd/scalar/ops.h"
#include "simd/scalar/panel_code.h"

namespace lowkey::simd::scalar {

void matmul_float(const PanelMatrix& w, Range panels, MatrixView<const float> x,
                  const MatmulOut& out) {
  matmul_rows(w, panels, x, out,
              [&](int64_t row, int64_t c, float value) { return weight_at(w, row, c) * value; });
}

}  // namespace lowkey::simd::scalar
