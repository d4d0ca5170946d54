#include "simd/neon/lanes.h"
#include "simd/neon/ops.h"
#include "simd/wide/add-inl.h"

namespace lowkey::simd::neon {

void add(float* x, const float* y, int64_t n) { wide::add<Arch>(x, y, n); }

}  // namespace lowkey::simd::neon
