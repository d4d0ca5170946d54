#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {

float dot(const float* x, const float* y, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += double(x[i]) * y[i];
  return float(sum);
}

}  // namespace lowkey::simd::scalar
