#include "simd/avx512/lanes.h"
#include "simd/avx512/ops.h"
#include "simd/wide/swiglu-inl.h"

namespace lowkey::simd::avx512 {

void swiglu(const float* gate, const float* up, int64_t n, float* out) {
  wide::swiglu<Arch>(gate, up, n, out);
}

}  // namespace lowkey::simd::avx512
