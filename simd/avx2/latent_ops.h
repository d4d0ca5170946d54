// What the shared bodies of the latent ops need of this set: 64 codes in two registers.
// One multiply instruction adds pairs of products in 16 bits, which saturate. So queries take one
// bit less than elsewhere, and value codes are made signed.
#pragma once

#include <algorithm>
#include <cstring>

#include "simd/avx2/latent_codes.h"
#include "simd/latent_tile.h"
#include "simd/wide/exp2-inl.h"

namespace lowkey::simd::avx2 {
namespace {

struct LatentOps : LatentCodes {
  using Sums = Codes;                   // 16 x int32
  static constexpr int kQueryMax = 63;  // 2 * 255 * 64 fits 16 bits
  static constexpr int kFineWidth = 1;  // with so few bits all groups need both halves
  static constexpr int kKeyOffset = 0;
  static constexpr int kValueOffset = 128;  // 2 * 128 * 127 fits 16 bits
  static constexpr int kQueryTile = 2;
  static constexpr int kTokenTiles = 1;
  static constexpr int kFineValueWidth = 1;  // all groups take both halves of the weights
  static constexpr int kMixQueries = 1;      // that take the codes of values together
  static constexpr int kMixChains = 1;       // of products of one sum
  static constexpr int kProjectSums = 8;     // of a projection that fit the registers
  static constexpr int kMeanQueries = 1;     // that take the functions of a chunk together
  static constexpr bool kPairedFunctions = false;
  static constexpr int kDirectQueries = 0;  // codes would not stay in the registers

  /// Loads and products are as the compiler has them.
  static Codes held(Codes x) { return x; }
  static Codes load_values(const uint8_t* p) {
    const __m256i top = _mm256_set1_epi8(char(-128));
    return {{_mm256_xor_si256(load256(p), top), _mm256_xor_si256(load256(p + 32), top)}};
  }
  static __m256i broadcast4(const int8_t* p) {
    int32_t four;
    std::memcpy(&four, p, 4);
    return _mm256_set1_epi32(four);
  }
  static __m256i broadcast16(const int8_t* p) { return _mm256_broadcastsi128_si256(load128(p)); }
  static Sums sums(int32_t x) { return {{_mm256_set1_epi32(x), _mm256_set1_epi32(x)}}; }

  /// acc + sums of four neighbouring products of unsigned and signed bytes.
  static __m256i add_products(__m256i acc, __m256i u, __m256i s) {
    const __m256i pairs = _mm256_maddubs_epi16(u, s);
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static Sums dot_k(const Sums& acc, const Codes& c, __m256i q) {
    return {{add_products(acc.part[0], c.part[0], q), add_products(acc.part[1], c.part[1], q)}};
  }
  static Sums dot_v(const Sums& acc, const Codes& c, __m256i p) {
    return {{add_products(acc.part[0], p, c.part[0]), add_products(acc.part[1], p, c.part[1])}};
  }
  static Float to_float(const Sums& hi, const Sums& lo, int part) {
    return _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_slli_epi32(hi.part[part], 7), lo.part[part]));
  }

  static Float mul_add(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  /// 2^x within 7.5e-5 of it; 0 below the range of normal floats.
  static Float exp2(Float x) {
    const Float floor = xsimd::max(xsimd::floor(x), Float(-127.0f));
    const Float f = xsimd::max(x, Float(-127.0f)) - floor;
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(floor), _mm256_set1_epi32(127));
    return wide::exp2_fraction<LatentOps>(f) *
           Float(_mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
  }
  static float first(Float x) { return _mm256_cvtss_f32(x); }
  static Float reversed(Float x) {
    return _mm256_permutevar8x32_ps(x, _mm256_set_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static float max_of(Float x) {
    alignas(32) float lane[8];
    x.store_aligned(lane);
    return *std::max_element(lane, lane + 8);
  }
  static float sum_of(Float x) { return xsimd::hadd(x); }

  /// Gains of the tokens of kTiles parts, whose codes begin each part; returns the largest code.
  template <int kTiles>
  static int gains(const uint8_t* codes, int64_t stride, float* out) {
    __m256i largest = _mm256_setzero_si256();
    for (int i = 0; i < 2 * kTiles; ++i) {
      const uint8_t* half = codes + i / 2 * stride + i % 2 * 8;
      const __m256i code =
          _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(half)));
      largest = _mm256_max_epi32(largest, code);
      const __m256i low = _mm256_castps_si256(_mm256_i32gather_ps(
          kLatentGainFraction, _mm256_and_si256(code, _mm256_set1_epi32(15)), 4));
      const __m256i exponent = _mm256_slli_epi32(_mm256_srli_epi32(code, 4), 23);
      _mm256_store_ps(out + 8 * i, _mm256_castsi256_ps(_mm256_add_epi32(low, exponent)));
    }
    alignas(32) int32_t lane[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lane), largest);
    return *std::max_element(lane, lane + 8);
  }

  /// Weights of 64 tokens as v = 128 hi + lo, v = round(w), 0 <= hi, lo <= 127; adds v to `sum`.
  static void halves(const Float (&w)[8], int8_t* hi, int8_t* lo, Int& sum, Int&) {
    const auto in_order = [](__m256i x) { return _mm256_permute4x64_epi64(x, 0xd8); };
    for (int half = 0; half < 2; ++half) {
      __m256i words[2];
      for (int i = 0; i < 2; ++i) {
        const __m256i a = _mm256_cvtps_epi32(w[4 * half + 2 * i]);
        const __m256i b = _mm256_cvtps_epi32(w[4 * half + 2 * i + 1]);
        sum += Int(_mm256_add_epi32(a, b));
        words[i] = in_order(_mm256_packus_epi32(a, b));
      }
      const __m256i low = _mm256_set1_epi16(127);
      const __m256i high_bytes =
          _mm256_packus_epi16(_mm256_srli_epi16(words[0], 7), _mm256_srli_epi16(words[1], 7));
      const __m256i low_bytes =
          _mm256_packus_epi16(_mm256_and_si256(words[0], low), _mm256_and_si256(words[1], low));
      store256(hi + 32 * half, in_order(high_bytes));
      store256(lo + 32 * half, in_order(low_bytes));
    }
  }

 private:
  static void store256(int8_t* p, __m256i x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x);
  }
};

}  // namespace
}  // namespace lowkey::simd::avx2
