#include "simd/avx2/lanes.h"
#include "simd/avx2/ops.h"
#include "simd/wide/softmax-inl.h"

namespace lowkey::simd::avx2 {

float softmax(float* x, int64_t n) { return wide::softmax<Arch>(x, n); }

}  // namespace lowkey::simd::avx2
