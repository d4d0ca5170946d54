#include "simd/neon/lanes.h"
#include "simd/neon/ops.h"
#include "simd/wide/rms_norm-inl.h"

namespace lowkey::simd::neon {

void rms_norm(const float* x, const float* weight, int64_t n, float eps, float* out) {
  wide::rms_norm<Arch>(x, weight, n, eps, out);
}

}  // namespace lowkey::simd::neon
