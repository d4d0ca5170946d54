// Products of latent codes: of narrow ones as bytes, whose sums stay apart as long as they have
// room; wide codes are multiplied as words.
#pragma once

#include "simd/avx2/latent_codes.h"
#include "simd/avx2/words.h"

namespace lowkey::simd::avx2 {
namespace {

struct LatentProducts : LatentCodes {
  using Sums = Codes;  // 16 x int32
  /// Of products with upper halves, as add_bytes() leaves them.
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

  static Upper dot_k(const Upper& acc, const Codes& c, __m256i q) {
    return {{add_bytes(acc.part[0], c.part[0], q), add_bytes(acc.part[1], c.part[1], q)}};
  }
  static Upper dot_v(const Upper& acc, const Codes& c, __m256i p) { return dot_k(acc, c, p); }
  static void settle(Upper& hi, Sums& sums) {
    for (int i = 0; i < 2; ++i) {
      sums.part[i] = _mm256_add_epi32(sums.part[i], widened<128>(hi.part[i]));
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
    const auto part = [&](int i) { return add_words(acc.part[i], words_of(c.part[i]), w); };
    return {{part(0), part(1)}};
  }

  static Float to_float(const Upper& hi, int part) {
    return _mm256_cvtepi32_ps(widened<1>(hi.part[part]));
  }
  static Float to_float(const Sums& sum, int part) { return _mm256_cvtepi32_ps(sum.part[part]); }
};

}  // namespace
}  // namespace lowkey::simd::avx2
