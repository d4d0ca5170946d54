// Activations to 15-bit integers, with the same integers as the oracle: the f32 operations and
// their order are the oracle's.
#pragma once

#include <bit>
#include <cstring>
#include <limits>

#include "simd/panel.h"

namespace lowkey::simd::wide {
namespace {

// Vectors whose operations compilers lower to what the set has, narrowing included.
typedef int32_t Ints __attribute__((vector_size(64)));
typedef int32_t HalfInts __attribute__((vector_size(32)));
typedef int32_t QuarterInts __attribute__((vector_size(16)));
typedef int8_t Bytes __attribute__((vector_size(16)));

/// All 16 lanes by an operation that may take them in any order.
template <class Op>
int32_t fold(Ints x, Op op) {
  const HalfInts half = op(__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7),
                           __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15));
  const QuarterInts quarter = op(__builtin_shufflevector(half, half, 0, 1, 2, 3),
                                 __builtin_shufflevector(half, half, 4, 5, 6, 7));
  const QuarterInts pairs = op(quarter, __builtin_shufflevector(quarter, quarter, 2, 3, 0, 1));
  return op(pairs, __builtin_shufflevector(pairs, pairs, 1, 0, 3, 2))[0];
}

constexpr auto kLarger = [](auto a, auto b) { return a > b ? a : b; };
constexpr auto kSum = [](auto a, auto b) { return a + b; };

/// Largest |x| of a block, as the bits of a float; of these bits infinity and NaN are the largest.
inline int32_t largest_bits(const float* x) {
  Ints low, high;
  std::memcpy(&low, x, sizeof(low));
  std::memcpy(&high, x + 16, sizeof(high));
  return fold(kLarger(low & 0x7fffffff, high & 0x7fffffff), kLarger);
}

/// 16 columns: x * factor rounded, in two halves; returns the sum of what was kept.
template <class Isa>
int32_t quantize_half(const float* x, float factor, int8_t* hi, int8_t* lo) {
  using Float = typename Isa::Float;
  Ints q;
  for (int i = 0; i < 16; i += Isa::kLanes) {
    const Float scaled = Float::load_unaligned(x + i) * Float(factor);
    xsimd::nearbyint_as_int(scaled).store_aligned(reinterpret_cast<int32_t*>(&q) + i);
  }
  const Ints high = (q + 64) >> 7;
  const Bytes high_bytes = __builtin_convertvector(high, Bytes);
  std::memcpy(hi, &high_bytes, sizeof(high_bytes));
  if (!lo) return fold(high * 128, kSum);
  const Bytes low_bytes = __builtin_convertvector(q - high * 128, Bytes);
  std::memcpy(lo, &low_bytes, sizeof(low_bytes));
  return fold(q, kSum);
}

template <class Isa>
void quantize_block(const float* x, int8_t* hi, int8_t* lo, float* scale, int32_t* sum) {
  static_assert(kBlockCols == 32);
  constexpr float kLargest = 127 * 128, kTiny = 1e-30f;
  constexpr int32_t kInfinity = 0x7f800000;
  const int32_t bits = largest_bits(x);
  const float max = std::bit_cast<float>(bits);
  const bool finite = bits < kInfinity, usable = finite && max >= kTiny;
  *scale = !finite ? std::numeric_limits<float>::quiet_NaN() : usable ? max / kLargest : 0.0f;
  if (!usable) {
    sum[0] = sum[1] = 0;
    std::memset(hi, 0, kBlockCols);
    if (lo) std::memset(lo, 0, kBlockCols);
    return;
  }
  const float factor = kLargest / max;
  sum[0] = quantize_half<Isa>(x, factor, hi, lo);
  sum[1] = quantize_half<Isa>(x + 16, factor, hi + 16, lo ? lo + 16 : nullptr);
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
