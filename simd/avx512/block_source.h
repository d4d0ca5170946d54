// A block of 16 rows by 32 columns of a quantised panel, from memory into registers.
#pragma once

#include <immintrin.h>

#include "simd/panel.h"

namespace lowkey::simd::avx512 {
namespace {

struct CodeVectors {
  __m512i v[8];  // as in panel.h, one byte per code
};

template <PanelType kType>
CodeVectors load_codes(const std::byte* p) {
  const auto at = [p](int i) { return _mm512_loadu_si512(p + 64 * i); };
  CodeVectors out;
  if constexpr (kType == PanelType::kU8) {
    for (int v = 0; v < 8; ++v) out.v[v] = at(v);
    return out;
  }
  const __m512i low = _mm512_set1_epi8(15);
  for (int v = 0; v < 4; ++v) {
    const __m512i both = at(v);
    out.v[v] = _mm512_and_si512(both, low);
    out.v[v + 4] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
  }
  // The high bits are moved to their place and merged in: a | (b & mask) is one instruction.
  constexpr int kOrAnd = 0xf8;
  if constexpr (kType == PanelType::kU5) {
    const __m512i bits = at(4), mask = _mm512_set1_epi8(16);
    for (int v = 0; v < 8; ++v) {
      const __m512i moved = v < 4 ? _mm512_slli_epi16(bits, 4 - v) : _mm512_srli_epi16(bits, v - 4);
      out.v[v] = _mm512_ternarylogic_epi64(out.v[v], moved, mask, kOrAnd);
    }
  }
  if constexpr (kType == PanelType::kU6) {
    const __m512i mask = _mm512_set1_epi8(48);
    for (int v = 0; v < 8; ++v) {
      const __m512i bits = at(4 + v / 4);
      const int k = 2 * (v % 4);
      const __m512i moved = k < 4 ? _mm512_slli_epi16(bits, 4 - k) : _mm512_srli_epi16(bits, k - 4);
      out.v[v] = _mm512_ternarylogic_epi64(out.v[v], moved, mask, kOrAnd);
    }
  }
  return out;
}

inline __m512 load_half(const std::byte* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

/// Blocks of one panel format.
template <PanelType kType, bool kMinimum, int kSubs>
struct BlockSource {
  static constexpr bool kHasMinimum = kMinimum;
  static constexpr int kScales = kSubs;
  static constexpr int64_t kHead = 2 * kPanelRows * (kSubs + kMinimum);
  static constexpr int64_t kBytes = kHead + code_bytes(kType);
  static CodeVectors codes(const std::byte* block) { return load_codes<kType>(block + kHead); }
  static __m512 scale(const std::byte* block, int i) { return load_half(block + 32 * i); }
  static __m512 minimum(const std::byte* block) { return load_half(block + 32 * kSubs); }
  static void prefetch(const std::byte* block) {
    for (int64_t line = 0; line < kBytes; line += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(block) + line, _MM_HINT_T0);
    }
  }
};

}  // namespace
}  // namespace lowkey::simd::avx512
