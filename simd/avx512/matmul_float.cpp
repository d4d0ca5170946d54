#include "simd/avx512/isa.h"
#include "simd/avx512/ops.h"
#include "simd/wide/matmul_float-inl.h"

namespace lowkey::simd::avx512 {

void matmul_float(const PanelMatrix& w, Range panels, MatrixView<const float> x,
                  const MatmulOut& out) {
  wide::matmul_panels<Isa>(w, panels, x, out);
}

}  // namespace lowkey::simd::avx512
