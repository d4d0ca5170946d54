#include "simd/avx512/isa.h"
#include "simd/avx512/ops.h"
#include "simd/wide/matmul_float-inl.h"

namespace lowkey::simd::avx512 {

void matmul_bf16(const PanelMatrix& w, Range panels, MatrixView<const uint16_t> x,
                 const MatmulOut& out) {
  wide::matmul_panels<Isa>(w, panels, x, out);
}

}  // namespace lowkey::simd::avx512
