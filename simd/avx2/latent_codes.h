// 64 codes in two registers, from the bit planes of a group (layout in simd/latent_tile.h).
#pragma once

#include <cstring>

#include "simd/avx2/isa.h"

namespace lowkey::simd::avx2 {
namespace {

struct LatentCodes : Isa {
  struct Codes {
    __m256i part[2];
  };

  static __m256i load256(const uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static __m128i load128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static Codes load(const uint8_t* p) { return {{load256(p), load256(p + 32)}}; }
  static void store(uint8_t* p, const Codes& x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.part[0]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 32), x.part[1]);
  }

  /// 64 codes of one group, one byte each: planes shifted to their places, then masked.
  template <int kWidth>
  static Codes unpack(const uint8_t* p) {
    if constexpr (kWidth == 8) return load(p);
    Codes x = {{_mm256_setzero_si256(), _mm256_setzero_si256()}};
    const auto add = [&](int bits, int at, const Codes& plane) {
      const __m256i mask = _mm256_set1_epi8(char(((1 << bits) - 1) << at));
      for (int i = 0; i < 2; ++i) {
        x.part[i] = _mm256_or_si256(x.part[i], _mm256_and_si256(plane.part[i], mask));
      }
      p += 8 * bits;
    };
    if constexpr (kWidth & 4) {
      const __m256i bytes = load256(p);
      add(4, 0, {{bytes, _mm256_srli_epi64(bytes, 4)}});
    }
    if constexpr (kWidth & 2) add(2, kWidth & 4, plane2<(kWidth & 4)>(p));
    if constexpr (kWidth & 1) add(1, kWidth & 6, plane1<(kWidth & 6)>(p));
    return x;
  }

 private:
  static __m256i right(__m256i x, int a, int b, int c, int d) {
    return _mm256_srlv_epi64(x, _mm256_set_epi64x(d, c, b, a));
  }
  static __m256i left(__m256i x, int a, int b, int c, int d) {
    return _mm256_sllv_epi64(x, _mm256_set_epi64x(d, c, b, a));
  }
  /// Byte j of 128-bit lane i holds code j + 16 i from bit kAt on.
  template <int kAt>
  static Codes plane2(const uint8_t* p) {
    const __m256i bytes = _mm256_broadcastsi128_si256(load128(p));
    if constexpr (kAt == 0) return {{right(bytes, 0, 0, 2, 2), right(bytes, 4, 4, 6, 6)}};
    return {{left(bytes, 4, 4, 2, 2), right(bytes, 0, 0, 2, 2)}};
  }
  /// Byte j of 64-bit lane i holds code j + 8 i from bit kAt on.
  template <int kAt>
  static Codes plane1(const uint8_t* p) {
    int64_t eight;
    std::memcpy(&eight, p, 8);
    const __m256i bytes = _mm256_set1_epi64x(eight);
    if constexpr (kAt == 0) return {{right(bytes, 0, 1, 2, 3), right(bytes, 4, 5, 6, 7)}};
    if constexpr (kAt == 4) return {{left(bytes, 4, 3, 2, 1), right(bytes, 0, 1, 2, 3)}};
    if constexpr (kAt == 2) {  // bits that leave the last byte are those of the other half
      return {{right(_mm256_slli_epi64(bytes, 2), 0, 1, 2, 3), right(bytes, 2, 3, 4, 5)}};
    }
    return {{left(bytes, 6, 5, 4, 3), right(left(bytes, 2, 1, 0, 0), 0, 0, 0, 1)}};
  }
};

}  // namespace
}  // namespace lowkey::simd::avx2
