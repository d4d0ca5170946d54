#include <cmath>

#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {

void rms_norm(const float* x, const float* weight, int64_t n, float eps, float* out) {
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) squares += double(x[i]) * x[i];
  const double factor = 1 / std::sqrt(squares / double(n) + eps);
  for (int64_t i = 0; i < n; ++i) out[i] = float(x[i] * factor * weight[i]);
}

}  // namespace lowkey::simd::scalar
