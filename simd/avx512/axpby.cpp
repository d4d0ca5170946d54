#include "simd/avx512/lanes.h"
#include "simd/avx512/ops.h"
#include "simd/wide/axpby-inl.h"

namespace lowkey::simd::avx512 {

void axpby(float a, const float* x, float b, float* y, int64_t n) {
  wide::axpby<Arch>(a, x, b, y, n);
}

}  // namespace lowkey::simd::avx512
