#include "simd/neon/lanes.h"
#include "simd/neon/ops.h"
#include "simd/wide/encode-inl.h"

namespace lowkey::simd::neon {

void encode_k(KvType type, const float* k, int d, int t, std::byte* part) {
  wide::encode_k<Arch>(type, k, d, t, part);
}

}  // namespace lowkey::simd::neon
