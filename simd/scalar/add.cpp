#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {

void add(float* x, const float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] += y[i];
}

}  // namespace lowkey::simd::scalar
