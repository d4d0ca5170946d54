#include "simd/avx512/lanes.h"
#include "simd/avx512/ops.h"
#include "simd/wide/dot-inl.h"

namespace lowkey::simd::avx512 {

float dot(const float* x, const float* y, int64_t n) { return wide::dot<Arch>(x, y, n); }

}  // namespace lowkey::simd::avx512
