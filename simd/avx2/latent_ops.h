// What the shared bodies of the latent ops need of this set: 64 codes in two registers.
#pragma once

#include "simd/avx2/lanes.h"
#include "simd/avx2/latent_products.h"
#include "simd/latent_tile.h"
#include "simd/wide/exp2-inl.h"
#include "simd/wide/rounding-inl.h"

namespace lowkey::simd::avx2 {
namespace {

struct LatentOps : LatentProducts {
  static constexpr int kQueryMax = 127;  // of the upper half
  static constexpr int kFineWidth = kLatentFineWidth;
  // Levels that a sum of bytes' products has room for: 2 * 127 * 129 fits 16 bits.
  static constexpr int kPairRoom = kFourBytes ? 1 << 20 : 129;
  static constexpr int kKeyOffset = 0;
  static constexpr int kValueOffset = 0;
  static constexpr int kQueryTile = 4;
  static constexpr int kTokenTiles = 1;
  // Up to here a chunk's 8 tiles have room: 8 * 2 * 15 * 127 fits 16 bits.
  static constexpr int kFineValueWidth = kLatentFineValueWidth;
  static_assert(8 * ((1 << (kFineValueWidth - 1)) - 1) <= kPairRoom);
  static constexpr int kMixQueries = 4;   // that take the codes of values together
  static constexpr int kMixChains = 1;    // of products of one sum
  static constexpr int kProjectSums = 8;  // of a projection that fit the registers
  static constexpr int kMeanQueries = 3;  // that take the functions of a chunk together
  static constexpr int kMeanVectors = 2;  // of a function that are taken together
  static constexpr int kDirectQueries = 4;
  static constexpr int kMixGroups = 1;  // of values that a few queries mix together, at most

  /// 2^x within 7.5e-5 of it; below the range of normal floats the least of these.
  static Float exp2(Float x) {
    // Adding this leaves the nearest integer in the lowest bits.
    const __m256 round = _mm256_set1_ps(0x1.8p23f);
    const __m256 in_range = _mm256_max_ps(_mm256_set1_ps(-126.0f), x);  // NaN stays
    const __m256 shifted = _mm256_add_ps(in_range, round);
    const Float f = _mm256_sub_ps(in_range, _mm256_sub_ps(shifted, round));
    const __m256 power = wide::exp2_centred<LatentOps>(f);
    const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(power), exponent));
  }
  static float first(Float x) { return _mm256_cvtss_f32(x); }
  static Float reversed(Float x) {
    return _mm256_permutevar8x32_ps(x, _mm256_set_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static float max_of(Float x) { return wide::Lanes<Arch>::max(x); }
  static float sum_of(Float x) { return xsimd::hadd(x); }

  /// Gains of the tokens of kTiles parts, whose codes begin each part; returns the largest code.
  template <int kTiles>
  static int gains(const uint8_t* codes, int64_t stride, float* out) {
    const __m256 fractions[2] = {_mm256_loadu_ps(kLatentGainFraction),
                                 _mm256_loadu_ps(kLatentGainFraction + 8)};
    __m128i largest = _mm_setzero_si128();
    for (int t = 0; t < kTiles; ++t) {
      const __m128i bytes = load128(codes + t * stride);
      largest = _mm_max_epu8(largest, bytes);
      for (int half = 0; half < 2; ++half) {
        const __m256i code = _mm256_cvtepu8_epi32(half == 0 ? bytes : _mm_srli_si128(bytes, 8));
        // A permutation looks at the low 3 bits of its index; the fourth chooses.
        const __m256 low = _mm256_permutevar8x32_ps(fractions[0], code);
        const __m256 high = _mm256_permutevar8x32_ps(fractions[1], code);
        const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(code, 28));
        const __m256i fraction = _mm256_castps_si256(_mm256_blendv_ps(low, high, upper));
        const __m256i exponent = _mm256_slli_epi32(_mm256_srli_epi32(code, 4), 23);
        _mm256_store_ps(out + kTileTokens * t + 8 * half,
                        _mm256_castsi256_ps(_mm256_add_epi32(fraction, exponent)));
      }
    }
    const __m128i pairs = _mm_max_epu8(largest, _mm_srli_epi16(largest, 8));
    // The smallest of what is missing to the largest byte.
    const __m128i missing =
        _mm_sub_epi16(_mm_set1_epi16(255), _mm_and_si128(pairs, _mm_set1_epi16(255)));
    return 255 - _mm_extract_epi16(_mm_minpos_epu16(missing), 0);
  }

  /// Weights of 64 tokens as v = 128 hi + lo = round(w), 0 <= hi <= 127; adds v to `sum`, hi to
  /// `upper`. Where hi stands alone, the many small weights of a chunk must not all fall to 0: each
  /// token rounds up at another threshold, so that their sum is kept. words: v itself, of each 16
  /// tokens the even ones, then the odd ones.
  static void halves(const Float (&w)[8], int8_t* hi, int16_t* words, Int& sum, Int& upper) {
    const auto in_order = [](__m256i x) { return _mm256_permute4x64_epi64(x, 0xd8); };
    const __m256i by_parity = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    __m256i high[4];
    for (int i = 0; i < 4; ++i) {
      const __m256i a = _mm256_cvtps_epi32(w[2 * i]), b = _mm256_cvtps_epi32(w[2 * i + 1]);
      sum += Int(_mm256_add_epi32(a, b));
      const __m256i v = in_order(_mm256_packus_epi32(a, b));
      store256(words + 16 * i, in_order(_mm256_shuffle_epi8(v, by_parity)));
      high[i] = _mm256_srli_epi16(_mm256_add_epi16(v, thresholds(i)), 7);
      upper += Int(_mm256_madd_epi16(high[i], _mm256_set1_epi16(1)));
    }
    for (int i = 0; i < 2; ++i) {
      store256(hi + 32 * i, in_order(_mm256_packus_epi16(high[2 * i], high[2 * i + 1])));
    }
  }

 private:
  static void store256(void* p, __m256i x) { _mm256_storeu_si256(static_cast<__m256i*>(p), x); }
  /// Of 16 of 64 tokens.
  static __m256i thresholds(int part) {
    return _mm256_load_si256(
        reinterpret_cast<const __m256i*>(wide::kRoundingThresholds.data() + 16 * part));
  }
};

}  // namespace
}  // namespace lowkey::simd::avx2
