#include "simd/neon/lanes.h"
#include "simd/neon/ops.h"
#include "simd/wide/swiglu-inl.h"

namespace lowkey::simd::neon {

void swiglu(const float* gate, const float* up, int64_t n, float* out) {
  wide::swiglu<Arch>(gate, up, n, out);
}

}  // namespace lowkey::simd::neon
