#include "simd/avx512/lanes.h"
#include "simd/avx512/ops.h"
#include "simd/wide/rms_norm-inl.h"

namespace lowkey::simd::avx512 {

void rms_norm(const float* x, const float* weight, int64_t n, float eps, float* out) {
  wide::rms_norm<Arch>(x, weight, n, eps, out);
}

}  // namespace lowkey::simd::avx512
