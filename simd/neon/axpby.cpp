#include "simd/neon/lanes.h"
#include "simd/neon/ops.h"
#include "simd/wide/axpby-inl.h"

namespace lowkey::simd::neon {

void axpby(float a, const float* x, float b, float* y, int64_t n) {
  wide::axpby<Arch>(a, x, b, y, n);
}

}  // namespace lowkey::simd::neon
