#include <algorithm>
#include <cmath>
#include <limits>

#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {

namespace {

// One block. Every set must produce the same integers, so the rule is spelled out in f32:
// q = round(x * (16256 / max)), hi = (q + 64) >> 7, lo = q - 128 hi. A block with an infinity or
// NaN gets the scale NaN, so that the damage shows in every result it touches.
void quantize_block(const float* x, int8_t* hi, int8_t* lo, float* scale, int32_t* sum) {
  constexpr float kLargest = 127 * 128, kTiny = 1e-30f;  // below kTiny the quotient may overflow
  float max = 0;
  bool finite = true;
  for (int i = 0; i < kBlockCols; ++i) {
    max = std::max(max, std::abs(x[i]));
    finite &= std::isfinite(x[i]);
  }
  const bool usable = max >= kTiny && finite;
  const float inverse = usable ? kLargest / max : 0.0f;
  *scale = !finite ? std::numeric_limits<float>::quiet_NaN() : usable ? max / kLargest : 0.0f;
  sum[0] = sum[1] = 0;
  for (int i = 0; i < kBlockCols; ++i) {
    const int q = usable ? int(std::nearbyint(x[i] * inverse)) : 0;
    const int high = (q + 64) >> 7;
    hi[i] = int8_t(high);
    if (lo) lo[i] = int8_t(q - 128 * high);
    sum[i / 16] += lo ? q : 128 * high;
  }
}

}  // namespace

void quantize(const float* x, int64_t x_stride, const Activations& a) {
  const int64_t n_blocks = a.n_cols / kBlockCols;
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    for (int64_t b = 0; b < n_blocks; ++b) {
      const int64_t at = t * a.n_cols + b * kBlockCols;
      quantize_block(x + t * x_stride + b * kBlockCols, a.hi + at, a.lo ? a.lo + at : nullptr,
                     a.scale + t * n_blocks + b, a.sum + 2 * (t * n_blocks + b));
    }
  }
}

}  // namespace lowkey::simd::scalar
