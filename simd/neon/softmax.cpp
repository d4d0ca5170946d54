#include "simd/neon/lanes.h"
#include "simd/neon/ops.h"
#include "simd/wide/softmax-inl.h"

namespace lowkey::simd::neon {

float softmax(float* x, int64_t n) { return wide::softmax<Arch>(x, n); }

}  // namespace lowkey::simd::neon
