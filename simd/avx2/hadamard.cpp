#include "simd/avx2/lanes.h"
#include "simd/avx2/ops.h"
#include "simd/wide/hadamard-inl.h"

namespace lowkey::simd::avx2 {

void hadamard(float* x, int64_t n_heads, int64_t d) { wide::hadamard<Arch>(x, n_heads, d); }

}  // namespace lowkey::simd::avx2
