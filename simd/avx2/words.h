// Factors of integer products: four bytes for all lanes, and bytes as 16-bit words.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace lowkey::simd::avx2 {
namespace {

/// A sum that is in a register here: compilers would rather multiply ahead, and keep products in
/// memory until they are added.
[[gnu::always_inline]] inline __m256i held(__m256i sum) {
  asm("" : "+x"(sum));
  return sum;
}

inline __m256i broadcast4(const void* p) {
  int32_t four;
  std::memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

/// 16-bit sums, neighbours of which belong together, as 32-bit ones, times `unit`.
inline __m256i widened(__m256i sums, int16_t unit) {
  return _mm256_madd_epi16(sums, _mm256_set1_epi16(unit));
}

/// 16-bit factors: those of even bytes, and those of odd ones.
struct Words {
  __m256i even, odd;
};

/// Of unsigned bytes.
inline Words words_of(__m256i bytes) {
  return {_mm256_and_si256(bytes, _mm256_set1_epi16(255)), _mm256_srli_epi16(bytes, 8)};
}

/// 128 hi + lo, of signed bytes.
inline Words joined_words(__m256i hi, __m256i lo) {
  const auto even = [](__m256i x) { return _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8); };
  const auto odd = [](__m256i x) { return _mm256_srai_epi16(x, 8); };
  return {_mm256_add_epi16(_mm256_slli_epi16(even(hi), 7), even(lo)),
          _mm256_add_epi16(_mm256_slli_epi16(odd(hi), 7), odd(lo))};
}

}  // namespace
}  // namespace lowkey::simd::avx2
