#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {

void rope(float* x, int64_t n_heads, int64_t d, const float* cos_sin, int64_t n_rot,
          bool neighbours) {
  const int64_t n_pairs = n_rot / 2;
  for (int64_t head = 0; head < n_heads; ++head) {
    float* v = x + head * d;
    for (int64_t i = 0; i < n_pairs; ++i) {
      float& a = neighbours ? v[2 * i] : v[i];
      float& b = neighbours ? v[2 * i + 1] : v[i + n_pairs];
      const double cosine = cos_sin[i], sine = cos_sin[n_pairs + i], old_a = a, old_b = b;
      a = float(old_a * cosine - old_b * sine);
      b = float(old_a * sine + old_b * cosine);
    }
  }
}

}  // namespace lowkey::simd::scalar
