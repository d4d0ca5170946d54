// What the shared bodies of the latent ops need of this set: 64 codes in one register.
#pragma once

#include <cstring>

#include "simd/avx512/isa.h"
#include "simd/latent_tile.h"

namespace lowkey::simd::avx512 {
namespace {

struct LatentOps : Isa {
  using Codes = __m512i;                 // 64 bytes
  using Sums = __m512i;                  // 16 x int32
  static constexpr int kQueryMax = 127;  // of the upper half; what dot_k can take
  static constexpr int kFineWidth = kLatentFineWidth;
  static constexpr int kKeyOffset = 0;    // dot_k multiplies code - offset
  static constexpr int kValueOffset = 0;  // so does dot_v, with what load_values returns
  static constexpr int kQueryTile = 3;    // queries and tiles whose sums fit the registers
  static constexpr int kTokenTiles = 4;

  static Codes load(const uint8_t* p) { return _mm512_load_si512(p); }
  static Codes load_values(const uint8_t* p) { return load(p); }
  static void store(uint8_t* p, Codes x) { _mm512_store_si512(p, x); }
  static Codes broadcast4(const int8_t* p) {
    int32_t four;
    std::memcpy(&four, p, 4);
    return _mm512_set1_epi32(four);
  }
  static Codes broadcast16(const int8_t* p) {
    return _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Sums sums(int32_t x) { return _mm512_set1_epi32(x); }
  /// acc[i] += four bytes of codes times four of q.
  static Sums dot_k(Sums acc, Codes codes, Codes q) { return _mm512_dpbusd_epi32(acc, codes, q); }
  static Sums dot_v(Sums acc, Codes codes, Codes p) { return _mm512_dpbusd_epi32(acc, codes, p); }

  /// (128 hi + lo) as floats, part i of 16 / kLanes.
  static Float to_float(Sums hi, Sums lo, int) {
    return _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(hi, 7), lo));
  }

  static Codes plane4(const uint8_t* p) {
    const __m512i low_high = _mm512_set_epi64(4, 4, 4, 4, 0, 0, 0, 0);
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_srlv_epi64(_mm512_broadcast_i64x4(bytes), low_high);
  }
  /// Byte j of 128-bit lane i holds code j + 16 i from bit `kAt` on.
  template <int kAt>
  static Codes plane2(const uint8_t* p) {
    const __m512i lane = _mm512_set_epi64(6, 6, 4, 4, 2, 2, 0, 0);
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm512_rorv_epi64(_mm512_broadcast_i32x4(bytes),
                             _mm512_sub_epi64(lane, _mm512_set1_epi64(kAt)));
  }
  template <int kAt>
  static Codes plane1(const uint8_t* p) {
    const __m512i lane = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    int64_t bytes;
    std::memcpy(&bytes, p, 8);
    return _mm512_rorv_epi64(_mm512_set1_epi64(bytes),
                             _mm512_sub_epi64(lane, _mm512_set1_epi64(kAt)));
  }

  /// 64 codes of one group, one byte each.
  template <int kWidth>
  static Codes unpack(const uint8_t* p) {
    if constexpr (kWidth == 8) return _mm512_loadu_si512(p);
    const auto mask = [](int bits) { return _mm512_set1_epi8(char(bits)); };
    constexpr int kChoose = 0xca;  // a ? b : c, bit by bit
    __m512i x = _mm512_setzero_si512();
    if constexpr (kWidth & 4) {
      x = plane4(p);
      p += 32;
    }
    if constexpr (kWidth & 2) {
      const __m512i two = plane2<(kWidth & 4)>(p);
      x = kWidth & 4 ? _mm512_ternarylogic_epi64(mask(15), x, two, kChoose) : two;
      p += 16;
    }
    if constexpr (kWidth & 1) {
      const __m512i one = plane1<(kWidth & 6)>(p);
      constexpr int kLow = (1 << (kWidth & 6)) - 1;
      x = kWidth & 6 ? _mm512_ternarylogic_epi64(mask(kLow), x, one, kChoose) : one;
    }
    return _mm512_and_si512(x, mask((1 << kWidth) - 1));
  }

  static Float mul_add(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  /// 2^x within 3e-6 (minimax polynomial of degree 4); 0 far below the range of a float.
  static Float exp2(Float x) {
    const Float f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF);
    Float y = 0x1.bba6cep-7f;
    y = mul_add(y, f, Float(0x1.a9fe56p-5f));
    y = mul_add(y, f, Float(0x1.ee7d1p-3f));
    y = mul_add(y, f, Float(0x1.62d136p-1f));
    y = mul_add(y, f, Float(0x1.00002cp+0f));
    return _mm512_scalef_ps(y, x);
  }
  static float first(Float x) { return _mm512_cvtss_f32(x); }
  static float max_of(Float x) { return _mm512_reduce_max_ps(x); }
  static float sum_of(Float x) { return _mm512_reduce_add_ps(x); }

  /// Gains of the tokens of kTiles parts, whose codes begin each part; returns the largest code.
  template <int kTiles>
  static int gains(const uint8_t* codes, int64_t stride, float* out) {
    const __m512 fraction = _mm512_loadu_ps(kLatentGainFraction);
    __m128i largest = _mm_setzero_si128();
    for (int t = 0; t < kTiles; ++t) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + t * stride));
      largest = _mm_max_epu8(largest, bytes);
      const __m512i code = _mm512_cvtepu8_epi32(bytes);
      // A permutation looks at the low 4 bits of its index.
      const __m512i low = _mm512_castps_si512(_mm512_permutexvar_ps(code, fraction));
      const __m512i exponent = _mm512_slli_epi32(_mm512_srli_epi32(code, 4), 23);
      _mm512_store_ps(out + t * kTileTokens, _mm512_castsi512_ps(_mm512_add_epi32(low, exponent)));
    }
    return _mm512_reduce_max_epi32(_mm512_cvtepu8_epi32(largest));
  }

  /// Weights of 64 tokens as v = 128 hi + lo, v = round(w), 0 <= hi, lo <= 127; adds v to `sum`.
  static void halves(const Float (&w)[4], int8_t* hi, int8_t* lo, Int& sum) {
    __m512i v[4];
    for (int i = 0; i < 4; ++i) v[i] = _mm512_cvtps_epi32(w[i]);
    sum += Int(_mm512_add_epi32(_mm512_add_epi32(v[0], v[1]), _mm512_add_epi32(v[2], v[3])));
    const __m512i a = _mm512_packus_epi32(v[0], v[1]), b = _mm512_packus_epi32(v[2], v[3]);
    const __m512i low = _mm512_set1_epi16(127);
    // The packs interleave by 128-bit lanes: dword 4 l + i has tokens 4 l .. 4 l + 3 of tile i.
    const __m512i by_tile = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const __m512i high_bytes =
        _mm512_packus_epi16(_mm512_srli_epi16(a, 7), _mm512_srli_epi16(b, 7));
    const __m512i low_bytes =
        _mm512_packus_epi16(_mm512_and_si512(a, low), _mm512_and_si512(b, low));
    _mm512_store_si512(hi, _mm512_permutexvar_epi32(by_tile, high_bytes));
    _mm512_store_si512(lo, _mm512_permutexvar_epi32(by_tile, low_bytes));
  }
};

}  // namespace
}  // namespace lowkey::simd::avx512
