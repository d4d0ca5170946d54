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

  /// 64 codes of one group, one byte each.
  template <int kWidth>
  static Codes unpack(const uint8_t* p) {
    if constexpr (kWidth == 8) return load(p);
    Codes x = {{_mm256_setzero_si256(), _mm256_setzero_si256()}};
    const auto add = [&](int bits, int at, __m256i low, __m256i high) {
      const __m256i mask = _mm256_set1_epi8(char((1 << bits) - 1));
      low = _mm256_slli_epi64(_mm256_and_si256(low, mask), at);
      high = _mm256_slli_epi64(_mm256_and_si256(high, mask), at);
      x = {{_mm256_or_si256(x.part[0], low), _mm256_or_si256(x.part[1], high)}};
      p += 8 * bits;
    };
    if constexpr (kWidth & 4) {
      const __m256i bytes = load256(p);
      add(4, 0, bytes, _mm256_srli_epi64(bytes, 4));
    }
    if constexpr (kWidth & 2) {  // byte j of 128-bit lane i holds code j + 16 i
      const __m256i bytes = _mm256_broadcastsi128_si256(load128(p));
      add(2, kWidth & 4, _mm256_srlv_epi64(bytes, _mm256_set_epi64x(2, 2, 0, 0)),
          _mm256_srlv_epi64(bytes, _mm256_set_epi64x(6, 6, 4, 4)));
    }
    if constexpr (kWidth & 1) {  // byte j of 64-bit lane i holds code j + 8 i
      int64_t eight;
      std::memcpy(&eight, p, 8);
      const __m256i bytes = _mm256_set1_epi64x(eight);
      add(1, kWidth & 6, _mm256_srlv_epi64(bytes, _mm256_set_epi64x(3, 2, 1, 0)),
          _mm256_srlv_epi64(bytes, _mm256_set_epi64x(7, 6, 5, 4)));
    }
    return x;
  }
};

}  // namespace
}  // namespace lowkey::simd::avx2
