// A block of weights times the activations of one token, from the panel into registers.
#pragma once

#include "simd/avx2/integer_dot.h"

namespace lowkey::simd::avx2 {
namespace {

/// One block of activations, as codes meet it.
struct OneInput {
  const int8_t *hi, *lo;
  const int16_t* words;
  float scale;
  const InputSums& sums;
};

/// sums[part] += four vectors of codes from kBegin on, or all eight, times q, as bytes.
template <PanelType kType, bool kLo, int kBegin, bool kAll>
[[gnu::always_inline]] inline void dot_bytes(const std::byte* codes, const OneInput& in,
                                             __m256i (&sums)[kParts]) {
  __m256i hi[kParts] = {}, lo[kParts] = {};
  const auto add = [&]<int kVector>() __attribute__((always_inline)) {
    const __m256i upper = broadcast4(in.hi + 4 * kVector);
    const __m256i lower = kLo ? broadcast4(in.lo + 4 * kVector) : upper;
    for (int p = 0; p < kParts; ++p) {
      const __m256i code = code_vector<kType, kVector>(codes, p);
      hi[p] = add_bytes(hi[p], code, upper);
      if (kLo) lo[p] = add_bytes(lo[p], code, lower);
    }
  };
  wide::unrolled<4>([&](auto v) __attribute__((always_inline)) {
    add.template operator()<kBegin + v>();
    if constexpr (kAll) add.template operator()<kBegin + v + 4>();
  });
  for (int p = 0; p < kParts; ++p) {
    sums[p] = _mm256_add_epi32(sums[p], widened<128>(hi[p]));
    if (kLo) sums[p] = _mm256_add_epi32(sums[p], widened<1>(lo[p]));
  }
}

/// The same as words, four vectors.
template <PanelType kType, int kBegin>
[[gnu::always_inline]] inline void dot_words(const std::byte* codes, const OneInput& in,
                                             __m256i (&sums)[kParts]) {
  wide::unrolled<4>([&](auto v) __attribute__((always_inline)) {
    constexpr int kVector = kBegin + v;
    const __m256i even = broadcast4(in.words + 2 * kVector);
    const __m256i odd = broadcast4(in.words + 16 + 2 * kVector);
    for (int p = 0; p < kParts; ++p) {
      const Words code = words_of(code_vector<kType, kVector>(codes, p));
      sums[p] = add_words(sums[p], code.even, even);
      sums[p] = add_words(sums[p], code.odd, odd);
    }
  });
}

/// sums[p] += scale group kGroup of a block's part p times `in`.
template <class Source, bool kLo, int kGroup>
[[gnu::always_inline]] inline void add_group(const std::byte* block, const OneInput& in,
                                             __m256 (&sums)[kParts]) {
  constexpr PanelType kType = Source::kType;
  constexpr bool kBoth = Source::kScales == 1;
  const std::byte* codes = block + Source::kHead;
  const __m256i start =
      Source::kHasMinimum ? _mm256_setzero_si256() : _mm256_set1_epi32(in.sums.start[kGroup]);
  __m256i dots[kParts] = {start, start};
  if constexpr (kBoth && fits_block(kType)) {
    dot_bytes<kType, kLo, 0, true>(codes, in, dots);
  } else if constexpr (fits_bytes(kType)) {
    dot_bytes<kType, kLo, 4 * kGroup, false>(codes, in, dots);
    if constexpr (kBoth) dot_bytes<kType, kLo, 4, false>(codes, in, dots);
  } else {
    dot_words<kType, 4 * kGroup>(codes, in, dots);
    if constexpr (kBoth) dot_words<kType, 4>(codes, in, dots);
  }
  for (int p = 0; p < kParts; ++p) {
    sums[p] = add_scaled(dots[p], Source::scale(block, kGroup, p), in.scale, sums[p]);
  }
}

/// sums[p] += a block's part p times `in`.
template <class Source, bool kLo>
[[gnu::always_inline]] inline void add_block(const std::byte* block, const OneInput& in,
                                             __m256 (&sums)[kParts]) {
  for (int p = 0; p < kParts && Source::kHasMinimum; ++p) {
    sums[p] = _mm256_fmadd_ps(_mm256_set1_ps(in.sums.weight), Source::minimum(block, p), sums[p]);
  }
  add_group<Source, kLo, 0>(block, in, sums);
  if constexpr (Source::kScales == 2) add_group<Source, kLo, 1>(block, in, sums);
}

}  // namespace
}  // namespace lowkey::simd::avx2
