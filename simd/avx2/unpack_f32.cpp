#include "simd/avx2/isa.h"
#include "simd/avx2/ops.h"
#include "simd/wide/unpack-inl.h"

namespace lowkey::simd::avx2 {

void unpack_f32(const PanelMatrix& w, int64_t panel, float* out, int64_t stride) {
  wide::unpack_f32<Isa>(w, panel, out, stride);
}

}  // namespace lowkey::simd::avx2
