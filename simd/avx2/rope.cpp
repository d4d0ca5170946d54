#include "simd/avx2/lanes.h"
#include "simd/avx2/ops.h"
#include "simd/wide/rope-inl.h"

namespace lowkey::simd::avx2 {

void rope(float* x, int64_t n_heads, int64_t d, const float* cos_sin, int64_t n_rot,
          bool neighbours) {
  wide::rope<Arch>(x, n_heads, d, cos_sin, n_rot, neighbours);
}

}  // namespace lowkey::simd::avx2
