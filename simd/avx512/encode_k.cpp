#include "simd/avx512/lanes.h"
#include "simd/avx512/ops.h"
#include "simd/wide/encode-inl.h"

namespace lowkey::simd::avx512 {

void encode_k(KvType type, const float* k, int d, int t, std::byte* part) {
  wide::encode_k<Arch>(type, k, d, t, part);
}

}  // namespace lowkey::simd::avx512
