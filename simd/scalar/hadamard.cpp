#include <bit>
#include <cmath>
#include <vector>

#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {

// The definition itself, H[i, j] = (-1)^popcount(i & j) / sqrt(d), without the fast butterflies.
void hadamard(float* x, int64_t n_heads, int64_t d) {
  for (int64_t head = 0; head < n_heads; ++head) {
    const std::vector<double> in(x + head * d, x + (head + 1) * d);
    for (int64_t i = 0; i < d; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < d; ++j) sum += std::popcount(uint64_t(i & j)) % 2 ? -in[j] : in[j];
      x[head * d + i] = float(sum / std::sqrt(double(d)));
    }
  }
}

}  // namespace lowkey::simd::scalar
