#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {

void axpby(float a, const float* x, float b, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const double old = b == 0.0f ? 0.0 : double(b) * double(y[i]);
    y[i] = float(double(a) * double(x[i]) + old);
  }
}

}  // namespace lowkey::simd::scalar
