#include "simd/avx512/matmul_quantized.h"
#include "simd/avx512/matmul_types.h"

namespace lowkey::simd::avx512 {

void matmul_u5(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  matmul_type<PanelType::kU5>(w, panels, a, out);
}

}  // namespace lowkey::simd::avx512
