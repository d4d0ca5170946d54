#include <cmath>

#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {

float softmax(float* x, int64_t n) {
  double max = x[0];
  for (int64_t i = 1; i < n; ++i) max = x[i] > max ? x[i] : max;
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i] - max);
  for (int64_t i = 0; i < n; ++i) x[i] = float(std::exp(x[i] - max) / sum);
  return float(max + std::log(sum));
}

}  // namespace lowkey::simd::scalar
