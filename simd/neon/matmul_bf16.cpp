#include "simd/neon/isa.h"
#include "simd/neon/ops.h"
#include "simd/wide/matmul_float-inl.h"

namespace lowkey::simd::neon {

void matmul_bf16(const PanelMatrix& w, Range panels, MatrixView<const uint16_t> x,
                 const MatmulOut& out) {
  wide::matmul_panels<Isa>(w, panels, x, out);
}

}  // namespace lowkey::simd::neon
