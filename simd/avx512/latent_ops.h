// What the shared bodies of the latent ops need of this set: 64 codes in one register.
#pragma once

#include <array>
#include <bit>
#include <cstring>

#include "simd/avx512/isa.h"
#include "simd/avx512/latent_codes.h"
#include "simd/wide/exp2-inl.h"
#include "simd/wide/rounding-inl.h"

namespace lowkey::simd::avx512 {
namespace {

struct LatentOps : Isa, LatentCodes {
  using Sums = __m512i;                  // 16 x int32
  using Upper = Sums;                    // of products with upper halves
  static constexpr int kQueryMax = 127;  // of the upper half; what dot_k can take
  static constexpr int kFineWidth = kLatentFineWidth;
  static constexpr int kKeyOffset = 0;    // dot_k multiplies code - offset
  static constexpr int kValueOffset = 0;  // so does dot_v, with what load_values returns
  static constexpr int kQueryTile = 3;    // queries and tiles whose sums fit the registers
  static constexpr int kTokenTiles = 4;
  static constexpr int kFineValueWidth = kLatentFineValueWidth;
  static constexpr int kMixQueries = 2;    // that take the codes of values together
  static constexpr int kMixChains = 2;     // of products of one sum
  static constexpr int kProjectSums = 24;  // of a projection that fit the registers
  static constexpr int kMeanQueries = 3;   // that take the functions of a chunk together
  static constexpr int kMeanVectors = 4;   // of a function that are taken together
  static constexpr int kDirectQueries = 4;
  static constexpr int kDirectTiles = 4;
  static constexpr int kMixGroups = 3;  // of values that a few queries mix together, at most

  static Codes load(const void* p) { return _mm512_load_si512(p); }
  static Codes load_values(const uint8_t* p) { return load(p); }
  /// Loaded once for several products; compilers would rather let each load for itself.
  static Codes held(Codes x) {
    asm("" : "+v"(x));
    return x;
  }
  static void store(void* p, Codes x) { _mm512_store_si512(p, x); }
  static Codes broadcast4(const int8_t* p) {
    int32_t four;
    std::memcpy(&four, p, 4);
    return _mm512_set1_epi32(four);
  }
  static Codes broadcast16(const int8_t* p) {
    return _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Sums sums(int32_t x) { return _mm512_set1_epi32(x); }
  static Upper upper() { return sums(0); }
  static Sums add_sums(Sums a, Sums b) { return _mm512_add_epi32(a, b); }
  /// acc[i] += four bytes of codes times four of q.
  static Sums dot_k(Sums acc, Codes codes, Codes q) { return _mm512_dpbusd_epi32(acc, codes, q); }
  static Sums dot_v(Sums acc, Codes codes, Codes p) { return _mm512_dpbusd_epi32(acc, codes, p); }

  /// (128 hi + lo) as floats, part i of 16 / kLanes.
  static Float to_float(Sums hi, Sums lo, int) {
    return _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(hi, 7), lo));
  }

  static Float to_float(Sums sum, int) { return _mm512_cvtepi32_ps(sum); }

  static Float mul_add(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  /// 2^x within 7.5e-5 of it; 0 far below the range of a float.
  static Float exp2(Float x) {
    const Float f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF);
    return _mm512_scalef_ps(wide::exp2_fraction<LatentOps>(f), x);
  }
  static float first(Float x) { return _mm512_cvtss_f32(x); }
  static Float reversed(Float x) {
    const __m512i order = _mm512_set_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_permutexvar_ps(order, x);
  }
  static float max_of(Float x) { return _mm512_reduce_max_ps(x); }
  static float sum_of(Float x) { return _mm512_reduce_add_ps(x); }

  /// Gains of the tokens of kTiles parts, whose codes begin each part; returns the largest code.
  template <int kTiles>
  static int gains(const uint8_t* codes, int64_t stride, float* out) {
    // Of a code's low 4 bits, less what those add to the float when all 8 are shifted into it.
    alignas(64) static constexpr auto kLow = [] {
      std::array<uint32_t, 16> table{};
      for (uint32_t i = 0; i < 16; ++i) {
        table[i] = std::bit_cast<uint32_t>(kLatentGainFraction[i]) - (i << 19);
      }
      return table;
    }();
    const __m512i low = _mm512_load_si512(kLow.data());
    __m128i largest = _mm_setzero_si128();
    for (int t = 0; t < kTiles; ++t) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + t * stride));
      largest = _mm_max_epu8(largest, bytes);
      const __m512i code = _mm512_cvtepu8_epi32(bytes);
      // A permutation looks at the low 4 bits of its index.
      const __m512i gain =
          _mm512_add_epi32(_mm512_permutexvar_epi32(code, low), _mm512_slli_epi32(code, 19));
      _mm512_store_ps(out + t * kTileTokens, _mm512_castsi512_ps(gain));
    }
    return _mm512_reduce_max_epi32(_mm512_cvtepu8_epi32(largest));
  }

  /// Weights of 64 tokens as v = 128 hi + lo, v = round(w), 0 <= hi <= 127, |lo| <= 127; adds v to
  /// `sum`, hi to `upper`. Where hi stands alone, the many small weights of a chunk must not all
  /// fall to 0: each token rounds up at another threshold, so that their sum is kept.
  static void halves(const Float (&w)[4], int8_t* hi, int8_t* lo, Int& sum, Int& upper) {
    __m512i v[4];
    for (int i = 0; i < 4; ++i) v[i] = _mm512_cvtps_epi32(w[i]);
    sum += Int(_mm512_add_epi32(_mm512_add_epi32(v[0], v[1]), _mm512_add_epi32(v[2], v[3])));
    const __m512i a = _mm512_packus_epi32(v[0], v[1]), b = _mm512_packus_epi32(v[2], v[3]);
    const __m512i a_hi = _mm512_srli_epi16(_mm512_add_epi16(a, thresholds(0)), 7);
    const __m512i b_hi = _mm512_srli_epi16(_mm512_add_epi16(b, thresholds(1)), 7);
    // The packs interleave by 128-bit lanes: dword 4 l + i has tokens 4 l .. 4 l + 3 of tile i.
    const __m512i by_tile = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const __m512i high_bytes = _mm512_packus_epi16(a_hi, b_hi);
    const __m512i low_bytes = _mm512_packs_epi16(_mm512_sub_epi16(a, _mm512_slli_epi16(a_hi, 7)),
                                                 _mm512_sub_epi16(b, _mm512_slli_epi16(b_hi, 7)));
    upper = _mm512_dpbusd_epi32(upper, _mm512_set1_epi8(1), high_bytes);
    _mm512_store_si512(hi, _mm512_permutexvar_epi32(by_tile, high_bytes));
    _mm512_store_si512(lo, _mm512_permutexvar_epi32(by_tile, low_bytes));
  }

 private:
  /// Of 32 of 64 tokens.
  static __m512i thresholds(int part) {
    return _mm512_load_si512(wide::kRoundingThresholds.data() + 32 * part);
  }
};

}  // namespace
}  // namespace lowkey::simd::avx512
