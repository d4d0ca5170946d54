#include "simd/neon/lanes.h"
#include "simd/neon/ops.h"
#include "simd/wide/hadamard-inl.h"

namespace lowkey::simd::neon {

void hadamard(float* x, int64_t n_heads, int64_t d) { wide::hadamard<Arch>(x, n_heads, d); }

}  // namespace lowkey::simd::neon
