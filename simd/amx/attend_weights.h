// Softmax weights of a group of queries over a chunk, as rows of tiles.
#pragma once

#include "simd/amx/attend_scratch.h"
#include "simd/wide/attend_weigh-inl.h"

namespace lowkey::simd::amx {
namespace {

constexpr int kRowGroup = 16;  // queries of a tile
constexpr int kGroupQueries = 2 * kRowGroup;
// A maximum stays what it is until a score exceeds it by so much: weights are floats, which may as
// well be larger than 1, and outputs need not be scaled each time.
constexpr float kSlack = 5;

/// Of a group of queries and a chunk.
struct GroupWeights {
  alignas(64) float score[kGroupQueries][wide::kChunkTokens];  // in units of log 2
  TwoParts<kGroupQueries * wide::kChunkTokens> weight;         // rows as long as those
  wide::GroupSeen<kGroupQueries> seen;
  Range tokens;  // of whole steps, with all that somebody sees
};

/// Lane i: all lanes of row i joined.
template <class Join>
__m512 join_lanes(const __m512 (&row)[16], Join join) {
  __m512 pair[8], four[4], eight[2];
  for (int i = 0; i < 8; ++i) {
    const __m512 a = row[2 * i], b = row[2 * i + 1];
    pair[i] = join(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  }
  for (int i = 0; i < 4; ++i) {
    const __m512d a = _mm512_castps_pd(pair[2 * i]), b = _mm512_castps_pd(pair[2 * i + 1]);
    four[i] = join(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)),
                   _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
  }
  const auto quarters = [&](__m512 a, __m512 b) {
    return join(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  };
  for (int i = 0; i < 2; ++i) eight[i] = quarters(four[2 * i], four[2 * i + 1]);
  return quarters(eight[0], eight[1]);
}

/// Up to 16 queries of a group, a lane for each.
class RowWeights {
  using V = wide::Vec<avx512::Arch>;
  using L = wide::Lanes<avx512::Arch>;

 public:
  /// Scores of the rows [first, first + n) to weights. Step by step for all: each step is a chain
  /// of instructions, but they run side by side.
  static void weigh(GroupWeights& w, int first, int n, const AttendState& state, int d_v) {
    const auto lanes = __mmask16((1 << n) - 1);
    const __m512 nothing = _mm512_set1_ps(wide::kNothing);
    __m512 row[kRowGroup];
    for (int i = 0; i < kRowGroup; ++i) row[i] = i < n ? largest_of(w, first + i) : V(nothing);
    const __m512 largest = join_lanes(row, [](auto a, auto b) { return _mm512_max_ps(a, b); });
    const __m512 had = _mm512_mask_loadu_ps(nothing, lanes, state.max);
    const __m512 own = _mm512_mul_ps(largest, _mm512_set1_ps(wide::kLn2));
    const __m512 most = _mm512_add_ps(had, _mm512_set1_ps(kSlack));
    const __m512 top = _mm512_mask_mov_ps(had, _mm512_cmp_ps_mask(own, most, _CMP_GT_OQ), own);
    // Nothing seen so far: any finite offset gives weights of zero instead of NaN.
    const V from = _mm512_maskz_mov_ps(_mm512_cmpneq_ps_mask(top, nothing), top);
    // What was nothing needs no scaling.
    const __mmask16 had_some = _mm512_cmpneq_ps_mask(had, nothing);
    const V kept =
        _mm512_mask_mov_ps(_mm512_set1_ps(1.0f), had_some, wide::exp<avx512::Arch>(V(had) - from));
    alignas(64) float offset[kRowGroup], keep[kRowGroup];
    kept.store_aligned(keep);
    (from * V(wide::kLog2E)).store_aligned(offset);
    for (int i = 0; i < kRowGroup; ++i)
      row[i] = i < n ? weigh_row(w, first + i, offset[i]) : V(0.0f);
    const __m512 mass = join_lanes(row, [](auto a, auto b) { return _mm512_add_ps(a, b); });
    const __m512 sum = _mm512_maskz_loadu_ps(lanes, state.sum);
    _mm512_mask_storeu_ps(state.max, lanes, top);
    _mm512_mask_storeu_ps(state.sum, lanes, _mm512_fmadd_ps(sum, kept, mass));
    for (int i = 0; i < n; ++i) {
      if (keep[i] != 1) scale(keep[i], state.out + int64_t{i} * d_v, d_v);
    }
  }

 private:
  static V largest_of(GroupWeights& w, int i) {
    float* s = w.score[i];
    const Range tokens = w.tokens, seen = w.seen.of[i];
    wide::hide<avx512::Arch>(s + tokens.begin, int(tokens.size()),
                             {seen.begin - tokens.begin, seen.end - tokens.begin});
    V highest(wide::kNothing);
    for (int64_t t = tokens.begin; t < tokens.end; t += kStepTokens) {
      highest =
          xsimd::max(highest, xsimd::max(V::load_aligned(s + t), V::load_aligned(s + t + 16)));
    }
    return highest;
  }

  /// The weights' sum, by lanes.
  static V weigh_row(GroupWeights& w, int i, float offset) {
    const float* s = w.score[i];
    V total(0.0f);
    for (int64_t t = w.tokens.begin; t < w.tokens.end; t += kStepTokens) {
      const V low = L::exp2(V::load_aligned(s + t) - V(offset));
      const V high = L::exp2(V::load_aligned(s + t + 16) - V(offset));
      total += low + high;
      w.weight.store_row(i * wide::kChunkTokens + t, low, high);
    }
    return total;
  }

  static void scale(float by, float* x, int n) {
    for (int i = 0; i < n; i += 16) (V::load_unaligned(x + i) * V(by)).store_unaligned(x + i);
  }
};

}  // namespace
}  // namespace lowkey::simd::amx
