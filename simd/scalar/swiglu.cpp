#include <cmath>

#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {

void swiglu(const float* gate, const float* up, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) {
    const double g = gate[i];
    out[i] = float(g / (1 + std::exp(-g)) * up[i]);
  }
}

}  // namespace lowkey::simd::scalar
