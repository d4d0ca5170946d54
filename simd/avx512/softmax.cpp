#include "simd/avx512/lanes.h"
#include "simd/avx512/ops.h"
#include "simd/wide/softmax-inl.h"

namespace lowkey::simd::avx512 {

float softmax(float* x, int64_t n) { return wide::softmax<Arch>(x, n); }

}  // namespace lowkey::simd::avx512
