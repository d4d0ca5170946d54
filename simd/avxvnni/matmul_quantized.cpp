#include "simd/avx2/matmul_quantized.h"

#include "simd/avxvnni/ops.h"

namespace lowkey::simd::avxvnni {

void matmul_quantized(const PanelMatrix& w, Range panels, const Activations& a,
                      const MatmulOut& out) {
  avx2::matmul_types(w, panels, a, out);
}

}  // namespace lowkey::simd::avxvnni
