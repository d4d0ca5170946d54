// The inner product of a block with integer activations:
//   y[row] = sum_b scale_a[b] (scale_w[row, b] * (sum_c code q - offset sum_c q)
//                              + minimum[row, b] * sum_c q),     q = 128 hi + lo
#pragma once

#include <algorithm>

#include "simd/avx512/block_source.h"

namespace lowkey::simd::avx512 {
namespace {

inline __m512i broadcast4(const int8_t* q) {
  int32_t four;
  __builtin_memcpy(&four, q, 4);
  return _mm512_set1_epi32(four);
}

/// One token's activations of one block.
struct BlockInput {
  const int8_t* hi;
  const int8_t* lo;
  float scale;
  float weight;          // scale * sum of q, for the minima
  const int32_t* start;  // -offset * sum of q, of each group of columns that shares a scale
};

/// The same block of kPanels panels below each other: one broadcast of an activation serves them
/// all (with one panel, broadcasts and not products set the speed).
template <class Source, bool kLo, int kPanels>
struct BlockWeights {
  CodeVectors codes[kPanels];
  __m512 scale[kPanels][Source::kScales];
  __m512 minimum[kPanels];

  BlockWeights(const std::byte* block, int64_t panel_stride) {
    for (int p = 0; p < kPanels; ++p, block += panel_stride) {
      codes[p] = Source::codes(block);
      for (int i = 0; i < Source::kScales; ++i) {
        scale[p][i] = Source::scale(block, i);
        if constexpr (!kLo) scale[p][i] = _mm512_mul_ps(scale[p][i], _mm512_set1_ps(128.0f));
      }
      if constexpr (Source::kHasMinimum) minimum[p] = Source::minimum(block);
    }
  }

  /// sums[p] += the vectors [kBegin, kEnd) of codes times q; vector v meets q [4 v, 4 v + 4).
  /// In chains of at most four: the scheduler holds too few instructions to hide longer ones.
  template <int kBegin, int kEnd>
  void dot(const int8_t* q, __m512i (&sums)[kPanels]) const {
    if constexpr (kEnd - kBegin == 8) {
      __m512i others[kPanels];
      std::fill(others, others + kPanels, _mm512_setzero_si512());
      for (int v = kBegin; v < kBegin + 4; ++v) {
        add_vector(v, q, sums);
        add_vector(v + 4, q, others);
      }
      for (int p = 0; p < kPanels; ++p) sums[p] = _mm512_add_epi32(sums[p], others[p]);
    } else {
      for (int v = kBegin; v < kEnd; ++v) add_vector(v, q, sums);
    }
  }
  void add_vector(int v, const int8_t* q, __m512i (&sums)[kPanels]) const {
    const __m512i four = broadcast4(q + 4 * v);
    for (int p = 0; p < kPanels; ++p) {
      sums[p] = _mm512_dpbusd_epi32(sums[p], codes[p].v[v], four);
    }
  }

  /// parts[p] = the products of scale group kGroup, scaled by the weights' scales.
  template <int kGroup>
  void group(const BlockInput& in, __m512 (&parts)[kPanels]) const {
    constexpr int kSize = 8 / Source::kScales, kBegin = kGroup * kSize, kEnd = kBegin + kSize;
    const __m512i zero = _mm512_setzero_si512();
    const __m512i start = Source::kHasMinimum ? zero : _mm512_set1_epi32(in.start[kGroup]);
    __m512i high[kPanels], sums[kPanels];
    for (int p = 0; p < kPanels; ++p) high[p] = zero, sums[p] = start;
    if constexpr (kLo) {
      dot<kBegin, kEnd>(in.hi, high);
      dot<kBegin, kEnd>(in.lo, sums);
    } else {
      dot<kBegin, kEnd>(in.hi, sums);
    }
    for (int p = 0; p < kPanels; ++p) {
      if constexpr (kLo) sums[p] = _mm512_add_epi32(sums[p], _mm512_slli_epi32(high[p], 7));
      const __m512 values = _mm512_cvtepi32_ps(sums[p]);
      parts[p] = kGroup == 0 ? _mm512_mul_ps(scale[p][kGroup], values)
                             : _mm512_fmadd_ps(scale[p][kGroup], values, parts[p]);
    }
  }

  /// sums[p] += this block of panel p times `in`.
  void add_to(const BlockInput& in, __m512 (&sums)[kPanels]) const {
    __m512 parts[kPanels];
    group<0>(in, parts);
    if constexpr (Source::kScales == 2) group<1>(in, parts);
    for (int p = 0; p < kPanels; ++p) {
      sums[p] = _mm512_fmadd_ps(_mm512_set1_ps(in.scale), parts[p], sums[p]);
      if constexpr (Source::kHasMinimum) {
        sums[p] = _mm512_fmadd_ps(_mm512_set1_ps(in.weight), minimum[p], sums[p]);
      }
    }
  }
};

/// Sixteen results at y; n of them are rows, the rest is the last panel's padding and left alone.
inline __m512 load_rows(const float* y, int64_t n) {
  if (n >= kPanelRows) return _mm512_loadu_ps(y);
  return _mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), y);
}
inline void store_rows(__m512 sums, float* y, int64_t n) {
  if (n >= kPanelRows) return _mm512_storeu_ps(y, sums);
  _mm512_mask_storeu_ps(y, __mmask16((1u << n) - 1), sums);
}

/// `start` of one scale group in the units of dot_halves; a sum without lo is a multiple of 128.
template <bool kLo>
int32_t start_of(int offset, int32_t q_sum) {
  return kLo ? -offset * q_sum : -offset * (q_sum >> 7);
}

}  // namespace
}  // namespace lowkey::simd::avx512
