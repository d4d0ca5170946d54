#include "simd/avx512/ops.h"
#include "simd/wide/round_bf16-inl.h"

namespace lowkey::simd::avx512 {

void round_bf16(const float* x, int64_t n, uint16_t* out) { wide::round_bf16(x, n, out); }

}  // namespace lowkey::simd::avx512
