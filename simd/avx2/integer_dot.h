// Integer engine of this set: unsigned times signed bytes, pairs added in 16 bits.
#pragma once

#include "simd/avx2/isa.h"
#include "simd/panel.h"

namespace lowkey::simd::avx2 {
namespace {

struct Dot {
  /// How many vectors fit in 16 bits: n * 2 * largest code * 127 < 2^15.
  static constexpr int group(PanelType type) {
    switch (type) {
      case PanelType::kU4:
        return 8;
      case PanelType::kU5:
        return 4;
      case PanelType::kU6:
        return 2;
      default:
        return 1;
    }
  }

  static __m256i broadcast4(const int8_t* q) {
    int32_t four;
    __builtin_memcpy(&four, q, 4);
    return _mm256_set1_epi32(four);
  }

  /// Pairs of codes [32] times q [4, repeated]. kU8 holds signed codes: |code| times q with the
  /// code's sign, at most 2 * 128 * 127, still fits 16 bits.
  template <PanelType kType>
  static __m256i pairs(const uint8_t* codes, const int8_t* q) {
    const __m256i code = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes));
    const __m256i four = broadcast4(q);
    if constexpr (kType != PanelType::kU8) return _mm256_maddubs_epi16(code, four);
    return _mm256_maddubs_epi16(_mm256_abs_epi8(code), _mm256_sign_epi8(four, code));
  }

  template <PanelType kType, int kVectors>
  static Isa::Int sum(const uint8_t* codes, const int8_t* q, int part) {
    constexpr int kGroup = group(kType) < kVectors ? group(kType) : kVectors;
    const __m256i ones = _mm256_set1_epi16(1);
    const uint8_t* rows = codes + 32 * part;
    __m256i total = _mm256_setzero_si256();
    for (int v = 0; v < kVectors; v += kGroup) {
      __m256i words = pairs<kType>(rows + 64 * v, q + 4 * v);
      for (int i = v + 1; i < v + kGroup; ++i) {
        words = _mm256_add_epi16(words, pairs<kType>(rows + 64 * i, q + 4 * i));
      }
      total = _mm256_add_epi32(total, _mm256_madd_epi16(words, ones));
    }
    return total;
  }
};

}  // namespace
}  // namespace lowkey::simd::avx2
