#include "simd/avx2/lanes.h"
#include "simd/avx2/ops.h"
#include "simd/wide/encode-inl.h"

namespace lowkey::simd::avx2 {

void encode_v(KvType type, const float* v, int d, int t, std::byte* part) {
  wide::encode_v<Arch>(type, v, d, t, part);
}

}  // namespace lowkey::simd::avx2
