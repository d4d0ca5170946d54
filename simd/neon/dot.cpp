#include "simd/neon/lanes.h"
#include "simd/neon/ops.h"
#include "simd/wide/dot-inl.h"

namespace lowkey::simd::neon {

float dot(const float* x, const float* y, int64_t n) { return wide::dot<Arch>(x, y, n); }

}  // namespace lowkey::simd::neon
