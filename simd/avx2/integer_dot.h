// Integer products of a block of weights, q = 128 hi + lo:
//   y[row] = sum_b scale_a[b] (scale_w[row, b] * (sum_c code q - offset sum_c q)
//                              + minimum[row, b] * sum_c q)
// As bytes where codes are small, or sums have room: unsigned times signed, of hi and of lo. As
// words otherwise: codes and q of 16 bits, pairs added in 32, which nothing overflows.
#pragma once

#include "simd/avx2/block_source.h"
#include "simd/avx2/words.h"
#include "simd/wide/unrolled-inl.h"

namespace lowkey::simd::avx2 {
namespace {

/// Whether sums of at least four vectors of bytes have room; in 16 bits: 4 * 2 * 31 * 127 < 2^15.
constexpr bool fits_bytes(PanelType type) {
  return kFourBytes || type == PanelType::kU4 || type == PanelType::kU5;
}
/// Whether those of all eight do.
constexpr bool fits_block(PanelType type) { return kFourBytes || type == PanelType::kU4; }

/// p, of which compilers know nothing.
template <class T>
[[gnu::always_inline]] inline T* hidden(T* p) {
  asm("" : "+r"(p));
  return p;
}

/// One block of activations as words: [16] of even columns, then [16] of odd ones, as codes come.
inline void to_words(const int8_t* hi, const int8_t* lo, int16_t* out) {
  const Words q = joined_words(load256(hi), lo ? load256(lo) : _mm256_setzero_si256());
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), q.even);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 16), q.odd);
}

/// What depends on the sums of activations alone.
struct InputSums {
  int32_t start[2];  // -offset * sum of q, of each scale group of the weights
  float weight;      // scale * sum of q, for the minima
};

/// Of block i of all blocks of `a`.
template <class Source>
InputSums input_sums(const Activations& a, int64_t i, int offset) {
  const int32_t low = a.sum[2 * i], high = a.sum[2 * i + 1];
  return {{-offset * (Source::kScales == 2 ? low : low + high), -offset * high},
          a.scale[i] * float(low + high)};
}

/// sum + the dot products of a block, scaled by the weights' scales and the activations'.
inline __m256 add_scaled(__m256i dots, __m256 scale, float a_scale, __m256 sum) {
  const __m256 values = _mm256_mul_ps(scale, _mm256_cvtepi32_ps(dots));
  return _mm256_fmadd_ps(_mm256_set1_ps(a_scale), values, sum);
}

}  // namespace
}  // namespace lowkey::simd::avx2
