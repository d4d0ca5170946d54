// Integer products of 256 bits, and their factors: four bytes for all lanes, bytes as 16-bit words.
//
// Two sets are made of what stands in this folder. Where the compiler has AVX-VNNI
// (simd/avxvnni/), four products of bytes are added to 32 bits, which nothing here overflows;
// elsewhere two are added to 16.
#pragma once

#include <immintrin.h>

#include <bit>
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

/// 16-bit factors: those of even bytes, and those of odd ones.
struct Words {
  __m256i even, odd;
};

#ifdef __AVXVNNI__

constexpr bool kFourBytes = true;

/// The products of unsigned and signed bytes, four to a lane.
inline __m256i bytes_products(__m256i u, __m256i s) {
  return _mm256_dpbusd_avx_epi32(_mm256_setzero_si256(), u, s);
}
inline __m256i add_bytes(__m256i acc, __m256i u, __m256i s) {
  return held(_mm256_dpbusd_avx_epi32(acc, u, s));
}
/// acc + the products of words, two to a lane.
inline __m256i add_words(__m256i acc, __m256i a, __m256i b) {
  return held(_mm256_dpwssd_avx_epi32(acc, a, b));
}
inline __m256i add_words(__m256i acc, const Words& a, const Words& b) {
  return add_words(add_words(acc, a.even, b.even), a.odd, b.odd);
}
/// Sums of bytes' products times kUnit, a power of two.
template <int kUnit>
inline __m256i widened(__m256i sums) {
  return _mm256_slli_epi32(sums, std::countr_zero(unsigned(kUnit)));
}

#else

constexpr bool kFourBytes = false;

/// The products of unsigned and signed bytes, added in pairs in 16 bits.
inline __m256i bytes_products(__m256i u, __m256i s) { return _mm256_maddubs_epi16(u, s); }
inline __m256i add_bytes(__m256i acc, __m256i u, __m256i s) {
  return held(_mm256_add_epi16(acc, bytes_products(u, s)));
}
/// acc + the products of words, two to a lane.
inline __m256i add_words(__m256i acc, __m256i a, __m256i b) {
  return held(_mm256_add_epi32(acc, _mm256_madd_epi16(a, b)));
}
inline __m256i add_words(__m256i acc, const Words& a, const Words& b) {
  const __m256i even = _mm256_madd_epi16(a.even, b.even);
  return _mm256_add_epi32(acc, _mm256_add_epi32(even, _mm256_madd_epi16(a.odd, b.odd)));
}
/// Sums of bytes' products, neighbours of which belong together, as 32-bit ones, times kUnit.
template <int kUnit>
inline __m256i widened(__m256i sums) {
  return _mm256_madd_epi16(sums, _mm256_set1_epi16(kUnit));
}

#endif

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
