#include "base/half.h"
#include "simd/avx2/isa.h"
#include "simd/avx2/ops.h"
#include "simd/wide/unpack-inl.h"

namespace lowkey::simd::avx2 {

void unpack_bf16(const PanelMatrix& w, int64_t panel, uint16_t* out, int64_t stride) {
  wide::unpack<Isa>(w, panel, out, stride, [](float value) { return f32_to_bf16(value); });
}

}  // namespace lowkey::simd::avx2
