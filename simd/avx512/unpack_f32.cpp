#include "simd/avx512/isa.h"
#include "simd/avx512/ops.h"
#include "simd/wide/unpack-inl.h"

namespace lowkey::simd::avx512 {

void unpack_f32(const PanelMatrix& w, int64_t panel, float* out, int64_t stride) {
  wide::unpack_f32<Isa>(w, panel, out, stride);
}

}  // namespace lowkey::simd::avx512
