// Bit planes of latent codes to bytes: a broadcast load, a shift and a mask for each. Rotations
// reach any place, but take turns with the dot products on a Zen 4, where shifts do not.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "simd/latent_tile.h"

namespace lowkey::simd::avx512 {
namespace {

struct LatentCodes {
  using Codes = __m512i;  // 64 bytes

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
    const __m512i two = _mm512_broadcast_i32x4(bytes);
    if constexpr (kAt == 0) return _mm512_srlv_epi64(two, lane);
    return _mm512_rorv_epi64(two, _mm512_sub_epi64(lane, _mm512_set1_epi64(kAt)));
  }
  template <int kAt>
  static Codes plane1(const uint8_t* p) {
    const __m512i lane = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    int64_t bytes;
    std::memcpy(&bytes, p, 8);
    const __m512i one = _mm512_set1_epi64(bytes);
    if constexpr (kAt == 0) return _mm512_srlv_epi64(one, lane);
    return _mm512_rorv_epi64(one, _mm512_sub_epi64(lane, _mm512_set1_epi64(kAt)));
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
};

}  // namespace
}  // namespace lowkey::simd::avx512
