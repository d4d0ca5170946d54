#include "simd/neon/lanes.h"
#include "simd/neon/ops.h"
#include "simd/wide/encode-inl.h"

namespace lowkey::simd::neon {

void encode_v(KvType type, const float* v, int d, int t, std::byte* part) {
  wide::encode_v<Arch>(type, v, d, t, part);
}

}  // namespace lowkey::simd::neon
