#include "simd/neon/ops.h"
#include "simd/wide/round_bf16-inl.h"

namespace lowkey::simd::neon {

void round_bf16(const float* x, int64_t n, uint16_t* out) { wide::round_bf16(x, n, out); }

}  // namespace lowkey::simd::neon
