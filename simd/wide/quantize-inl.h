// Activations to 15-bit integers, with the same integers as the oracle: the f32 operations and
// their order are the oracle's.
#pragma once

#include <algorithm>
#include <bit>
#include <limits>

#include "simd/panel.h"

namespace lowkey::simd::wide {
namespace {

/// Largest |x| of a block, as the bits of a float; of these bits infinity and NaN are the largest.
template <class Isa>
int32_t largest_bits(const float* x) {
  using Int = typename Isa::Int;
  Int largest(0);
  for (int i = 0; i < kBlockCols; i += Isa::kLanes) {
    const auto bits = Int::load_unaligned(reinterpret_cast<const int32_t*>(x + i));
    largest = xsimd::max(largest, bits & Int(0x7fffffff));
  }
  alignas(64) int32_t lanes[Isa::kLanes];
  largest.store_aligned(lanes);
  return *std::max_element(lanes, lanes + Isa::kLanes);
}

template <class Isa>
void quantize_block(const float* x, int8_t* hi, int8_t* lo, float* scale, int32_t* sum) {
  using Float = typename Isa::Float;
  constexpr float kLargest = 127 * 128, kTiny = 1e-30f;
  constexpr int32_t kInfinity = 0x7f800000;
  const int32_t bits = largest_bits<Isa>(x);
  const float max = std::bit_cast<float>(bits);
  const bool finite = bits < kInfinity, usable = finite && max >= kTiny;
  *scale = !finite ? std::numeric_limits<float>::quiet_NaN() : usable ? max / kLargest : 0.0f;
  alignas(64) int32_t q[kBlockCols] = {};
  for (int i = 0; i < kBlockCols && usable; i += Isa::kLanes) {
    const Float scaled = Float::load_unaligned(x + i) * Float(kLargest / max);
    xsimd::nearbyint_as_int(scaled).store_aligned(q + i);
  }
  sum[0] = sum[1] = 0;
  for (int i = 0; i < kBlockCols; ++i) {
    const int32_t high = (q[i] + 64) >> 7;
    hi[i] = int8_t(high);
    sum[i / 16] += lo ? q[i] : 128 * high;
  }
  for (int i = 0; i < kBlockCols && lo; ++i) lo[i] = int8_t(q[i] - 128 * hi[i]);
}

template <class Isa>
void quantize(const float* x, int64_t x_stride, const Activations& a) {
  const int64_t n_blocks = a.n_cols / kBlockCols;
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    for (int64_t b = 0; b < n_blocks; ++b) {
      const int64_t at = t * a.n_cols + b * kBlockCols;
      quantize_block<Isa>(x + t * x_stride + b * kBlockCols, a.hi + at, a.lo ? a.lo + at : nullptr,
                          a.scale + t * n_blocks + b, a.sum + 2 * (t * n_blocks + b));
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
