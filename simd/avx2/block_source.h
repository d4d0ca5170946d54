// A block of 16 rows by 32 columns of a quantised panel, in two parts of 8 rows.
#pragma once

#include <immintrin.h>

#include "simd/panel.h"

namespace lowkey::simd::avx2 {
namespace {

constexpr int kPartRows = 8, kParts = kPanelRows / kPartRows;

inline __m256i load256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

/// Vector kVector of a block's codes (panel.h), the rows of one part: byte 4 r + c is row r, column
/// 4 kVector + c.
template <PanelType kType, int kVector>
[[gnu::always_inline]] inline __m256i code_vector(const std::byte* codes, int part) {
  const std::byte* own = codes + 32 * part;
  if constexpr (kType == PanelType::kU8) return load256(own + 64 * kVector);
  const __m256i both = load256(own + 64 * (kVector % 4)), low = _mm256_set1_epi8(15);
  __m256i code = _mm256_and_si256(kVector < 4 ? both : _mm256_srli_epi16(both, 4), low);
  const auto add_high = [&](int line, int bit, int n_bits) {
    const __m256i bits = load256(own + 64 * line);
    const __m256i moved =
        bit < 4 ? _mm256_slli_epi16(bits, 4 - bit) : _mm256_srli_epi16(bits, bit - 4);
    const __m256i mask = _mm256_set1_epi8(char(((1 << n_bits) - 1) << 4));
    code = _mm256_or_si256(code, _mm256_and_si256(moved, mask));
  };
  if constexpr (kType == PanelType::kU5) add_high(4, kVector, 1);
  if constexpr (kType == PanelType::kU6) add_high(4 + kVector / 4, 2 * (kVector % 4), 2);
  return code;
}

inline __m256 load_half(const std::byte* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

/// Blocks of one panel format.
template <PanelType kPanel, bool kMinimum, int kSubs>
struct BlockSource {
  static constexpr PanelType kType = kPanel;
  static constexpr bool kHasMinimum = kMinimum;
  static constexpr int kScales = kSubs;
  static constexpr int64_t kHead = 2 * kPanelRows * (kSubs + kMinimum);
  static constexpr int64_t kBytes = kHead + code_bytes(kType);
  static __m256 scale(const std::byte* block, int i, int part) {
    return load_half(block + 2 * (kPanelRows * i + kPartRows * part));
  }
  static __m256 minimum(const std::byte* block, int part) { return scale(block, kSubs, part); }
  static void prefetch(const std::byte* block) {
    for (int64_t line = 0; line < kBytes; line += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(block) + line, _MM_HINT_T0);
    }
  }
};

}  // namespace
}  // namespace lowkey::simd::avx2
