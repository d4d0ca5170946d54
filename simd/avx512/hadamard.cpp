#include "simd/avx512/lanes.h"
#include "simd/avx512/ops.h"
#include "simd/wide/hadamard-inl.h"

namespace lowkey::simd::avx512 {

void hadamard(float* x, int64_t n_heads, int64_t d) { wide::hadamard<Arch>(x, n_heads, d); }

}  // namespace lowkey::simd::avx512
