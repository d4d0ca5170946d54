#include "simd/avx2/isa.h"
#include "simd/avx2/ops.h"
#include "simd/wide/matmul_float-inl.h"

namespace lowkey::simd::avx2 {

void matmul_float(const PanelMatrix& w, Range panels, MatrixView<const float> x,
                  const MatmulOut& out) {
  wide::matmul_panels<Isa>(w, panels, x, out);
}

}  // namespace lowkey::simd::avx2
