#include "base/half.h"
#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {

void round_bf16(const float* x, int64_t n, uint16_t* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = f32_to_bf16(x[i]);
}

}  // namespace lowkey::simd::scalar
