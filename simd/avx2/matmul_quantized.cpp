#include "simd/avx2/integer_dot.h"
#include "simd/avx2/ops.h"
#include "simd/wide/matmul_quantized-inl.h"

namespace lowkey::simd::avx2 {

void matmul_quantized(const PanelMatrix& w, Range panels, const Activations& a,
                      const MatmulOut& out) {
  wide::matmul_quantized<Isa, Dot>(w, panels, a, out);
}

}  // namespace lowkey::simd::avx2
