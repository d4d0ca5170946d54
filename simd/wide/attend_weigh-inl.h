// Softmax weights of a group of queries over a chunk, and which of its tokens they see.
#pragma once

#include <limits>

#include "base/view.h"
#include "simd/wide/exp-inl.h"

namespace lowkey::simd::wide {
namespace {

constexpr int clamp_to(int x, int low, int high) { return x < low ? low : x > high ? high : x; }

constexpr float kNothing = -std::numeric_limits<float>::infinity();

/// Scores of tokens outside `seen` become nothing; in vectors, as they are read again at once.
template <class Arch>
inline void hide(float* s, int n_tokens, Range seen) {
  using V = Vec<Arch>;
  if (seen.begin == 0 && seen.end >= n_tokens) return;
  alignas(64) float lane[kLanes<Arch>];
  for (int i = 0; i < kLanes<Arch>; ++i) lane[i] = float(i);
  const V first(static_cast<float>(seen.begin)), end(static_cast<float>(seen.end));
  V token = V::load_aligned(lane);
  for (int t = 0; t < n_tokens; t += kLanes<Arch>, token += V(float(kLanes<Arch>))) {
    const V shown = xsimd::select(token >= first, load<Arch>(s + t), V(kNothing));
    xsimd::select(token < end, shown, V(kNothing)).store_unaligned(s + t);
  }
}

/// Scores [n_tokens] to weights exp(score - max); tokens outside `seen` get none.
template <class Arch>
inline void weigh(float* s, int n_tokens, Range seen, float* max, float* sum, float* keep) {
  hide<Arch>(s, n_tokens, seen);
  Vec<Arch> highest(*max);
  for (int t = 0; t < n_tokens; t += kLanes<Arch>) {
    highest = xsimd::max(highest, load<Arch>(s + t));
  }
  const float new_max = Lanes<Arch>::max(highest);
  // Nothing seen so far: any finite offset gives weights of zero instead of NaN.
  const Vec<Arch> offset(new_max == kNothing ? 0.0f : new_max);
  Vec<Arch> total(0.0f);
  for (int t = 0; t < n_tokens; t += kLanes<Arch>) {
    const Vec<Arch> weight = exp<Arch>(load<Arch>(s + t) - offset);
    weight.store_unaligned(s + t);
    total += weight;
  }
  *keep = exp<Arch>(Vec<Arch>(*max) - offset).get(0);
  *sum = *sum * *keep + Lanes<Arch>::sum(total);
  *max = new_max;
}

/// What query i sees of a chunk of these tokens of the run, in tokens of it.
inline Range seen_by(const QueryBlock& queries, int i, const Range& chunk) {
  const int token = int(chunk.begin), n = int(chunk.size());
  const int begin = clamp_to(queries.begin[i] - token, 0, n);
  return {begin, clamp_to(queries.end[i] - token, begin, n)};
}

/// What queries see of a chunk, in tokens of it.
template <int kQueries>
struct GroupSeen {
  Range of[kQueries];
  int begin, end;  // of all; none if begin >= end
};

/// Of n queries from `first` on.
template <int kQueries>
inline GroupSeen<kQueries> seen_by_group(const QueryBlock& queries, int first, int n,
                                         const Range& chunk) {
  GroupSeen<kQueries> seen;
  seen.begin = int(chunk.size());
  seen.end = 0;
  for (int i = 0; i < n; ++i) {
    const Range own = seen.of[i] = seen_by(queries, first + i, chunk);
    if (own.begin == own.end) continue;
    seen.begin = int(own.begin) < seen.begin ? int(own.begin) : seen.begin;
    seen.end = int(own.end) > seen.end ? int(own.end) : seen.end;
  }
  return seen;
}

}  // namespace
}  // namespace lowkey::simd::wide
