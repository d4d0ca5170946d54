// Products of latent codes. One instruction multiplies unsigned by signed bytes and adds pairs of
// products in 16 bits. Sums of narrow codes stay there as long as they have room; wide codes are
// multiplied as words.
#pragma once

#include "simd/avx2/latent_codes.h"
#include "simd/avx2/words.h"

namespace lowkey::simd::avx2 {
namespace {

struct LatentProducts : LatentCodes {
  using Sums = Codes;  // 16 x int32
  /// Of products with upper halves: 32 x int16, neighbours of which belong together.
  struct Upper {
    __m256i part[2];
  };

  /// Loads and products are as the compiler has them.
  static Codes held(Codes x) { return x; }
  static __m256i held(__m256i x) { return x; }
  static Codes load_values(const uint8_t* p) { return load(p); }
  static __m256i broadcast4(const int8_t* p) { return avx2::broadcast4(p); }
  static __m256i broadcast16(const void* p) { return _mm256_broadcastsi128_si256(load128(p)); }
  static Sums sums(int32_t x) { return {{_mm256_set1_epi32(x), _mm256_set1_epi32(x)}}; }
  static Upper upper() { return {{_mm256_setzero_si256(), _mm256_setzero_si256()}}; }

  /// acc + products of unsigned and signed bytes.
  static __m256i add_products(__m256i acc, __m256i u, __m256i s) {
    return avx2::held(_mm256_add_epi16(acc, _mm256_maddubs_epi16(u, s)));
  }
  static Upper dot_k(const Upper& acc, const Codes& c, __m256i q) {
    return {{add_products(acc.part[0], c.part[0], q), add_products(acc.part[1], c.part[1], q)}};
  }
  static Upper dot_v(const Upper& acc, const Codes& c, __m256i p) { return dot_k(acc, c, p); }
  static void settle(Upper& hi, Sums& sums) {
    for (int i = 0; i < 2; ++i) {
      sums.part[i] = _mm256_add_epi32(sums.part[i], widened(hi.part[i], 128));
    }
    hi = upper();
  }

  /// 128 hi + lo of four columns.
  static Words query_words(const int8_t* hi, const int8_t* lo) {
    return joined_words(broadcast4(hi), broadcast4(lo));
  }
  /// Of 16 tokens, as halves() leaves them.
  static Words weight_words(const int16_t* p) { return {broadcast16(p), broadcast16(p + 8)}; }
  static Sums dot_words(const Sums& acc, const Codes& c, const Words& w) {
    const auto part = [&](int i) {
      const Words own = words_of(c.part[i]);
      return _mm256_add_epi32(acc.part[i], _mm256_add_epi32(_mm256_madd_epi16(own.even, w.even),
                                                            _mm256_madd_epi16(own.odd, w.odd)));
    };
    return {{part(0), part(1)}};
  }

  static Float to_float(const Upper& hi, int part) {
    return _mm256_cvtepi32_ps(widened(hi.part[part], 1));
  }
  static Float to_float(const Sums& sum, int part) { return _mm256_cvtepi32_ps(sum.part[part]); }
};

}  // namespace
}  // namespace lowkey::simd::avx2
