#include "simd/avx512/matmul_types.h"
#include "simd/avx512/ops.h"

namespace lowkey::simd::avx512 {

void matmul_quantized(const PanelMatrix& w, Range panels, const Activations& a,
                      const MatmulOut& out) {
  switch (w.format.type) {
    case PanelType::kU4:
      return matmul_u4(w, panels, a, out);
    case PanelType::kU5:
      return matmul_u5(w, panels, a, out);
    case PanelType::kU6:
      return matmul_u6(w, panels, a, out);
    default:
      return matmul_u8(w, panels, a, out);
  }
}

}  // namespace lowkey::simd::avx512
