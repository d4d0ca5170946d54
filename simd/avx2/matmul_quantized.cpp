#include "simd/avx2/matmul_quantized.h"

#include "simd/avx2/ops.h"

namespace lowkey::simd::avx2 {

void matmul_quantized(const PanelMatrix& w, Range panels, const Activations& a,
                      const MatmulOut& out) {
  matmul_types(w, panels, a, out);
}

}  // namespace lowkey::simd::avx2
