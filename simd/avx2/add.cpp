#include "simd/avx2/lanes.h"
#include "simd/avx2/ops.h"
#include "simd/wide/add-inl.h"

namespace lowkey::simd::avx2 {

void add(float* x, const float* y, int64_t n) { wide::add<Arch>(x, y, n); }

}  // namespace lowkey::simd::avx2
