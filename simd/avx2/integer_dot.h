// Integer products of a block of weights, q = 128 hi + lo:
//   y[row] = sum_b scale_a[b] (scale_w[row, b] * (sum_c code q - offset sum_c q)
//                              + minimum[row, b] * sum_c q)
// As bytes where codes are small: unsigned times signed, pairs added in 16 bits, of hi and of lo.
// As words otherwise: codes and q of 16 bits, pairs added in 32, which nothing overflows.
#pragma once

#include "simd/avx2/block_source.h"
#include "simd/wide/unrolled-inl.h"

namespace lowkey::simd::avx2 {
namespace {

/// Whether sums of at least four vectors of bytes fit 16 bits: 4 * 2 * 31 * 127 < 2^15.
constexpr bool fits_bytes(PanelType type) {
  return type == PanelType::kU4 || type == PanelType::kU5;
}
/// Whether those of all eight do.
constexpr bool fits_block(PanelType type) { return type == PanelType::kU4; }

/// A sum that is in a register here: compilers would rather multiply ahead, and keep products in
/// memory until they are added.
[[gnu::always_inline]] inline __m256i held(__m256i sum) {
  asm("" : "+x"(sum));
  return sum;
}

/// p, of which compilers know nothing.
template <class T>
[[gnu::always_inline]] inline T* hidden(T* p) {
  asm("" : "+r"(p));
  return p;
}

inline __m256i broadcast4(const void* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

/// 16-bit sums as 32-bit ones, times `unit`.
inline __m256i widened(__m256i sums, int16_t unit) {
  return _mm256_madd_epi16(sums, _mm256_set1_epi16(unit));
}

/// Columns 0, 2 and 1, 3 of each four of a vector of codes, or of activations, as words.
inline __m256i even_words(__m256i codes) { return _mm256_and_si256(codes, _mm256_set1_epi16(255)); }
inline __m256i odd_words(__m256i codes) { return _mm256_srli_epi16(codes, 8); }

/// One block of activations as words: [16] of even columns, then [16] of odd ones, as codes come.
inline void to_words(const int8_t* hi, const int8_t* lo, int16_t* out) {
  const auto even_of = [](__m256i q) { return _mm256_srai_epi16(_mm256_slli_epi16(q, 8), 8); };
  const auto odd_of = [](__m256i q) { return _mm256_srai_epi16(q, 8); };
  __m256i q = load256(hi);
  __m256i even = _mm256_slli_epi16(even_of(q), 7), odd = _mm256_slli_epi16(odd_of(q), 7);
  if (lo) {
    q = load256(lo);
    even = _mm256_add_epi16(even, even_of(q));
    odd = _mm256_add_epi16(odd, odd_of(q));
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), even);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 16), odd);
}

/// sum + the dot products of a block, scaled by the weights' scales and the activations'.
inline __m256 add_scaled(__m256i dots, __m256 scale, float a_scale, __m256 sum) {
  const __m256 values = _mm256_mul_ps(scale, _mm256_cvtepi32_ps(dots));
  return _mm256_fmadd_ps(_mm256_set1_ps(a_scale), values, sum);
}

}  // namespace
}  // namespace lowkey::simd::avx2
