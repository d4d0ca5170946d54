// A group of queries over a chunk whose keys and values are pairs of 16-bit integers.
#pragma once

#include "simd/wide/attend_pairs-inl.h"
#include "simd/wide/attend_weigh-inl.h"
#include "simd/wide/unrolled-inl.h"

namespace lowkey::simd::wide {
namespace {

/// Of some queries and a chunk: scores, then softmax weights as integers; a lane for each query.
template <class Arch, int kQueries>
struct PairWeights {
  static constexpr int kW = kLanes<Arch>;
  static_assert(kQueries <= kW);
  alignas(64) float score[kQueries][kChunkTokens];
  alignas(64) int16_t weight[kQueries][kChunkTokens];
  alignas(64) float largest[kW];  // score of the chunk, in units of log 2
  alignas(64) float mass[kW];     // of its weights, the largest being 1
  alignas(64) float scale[kW];    // from these to integers
  alignas(64) float unit[kW];     // of the integers, relative to the maximum of all so far
  alignas(64) float keep[kW];     // of what was summed before
};

/// Vectors per query whose sums the registers hold.
template <class Arch, int kQueries>
constexpr int kPairVectors = clamp_to(Lanes<Arch>::kAccumulators / kQueries, 1, 4);

/// Scores of kQueries queries from `first` on and kVectors vectors of tokens from `begin` on.
template <class Arch, int kQueries, int kVectors>
inline void score_pairs(const PairScratch<Arch>& s, int first, int begin, int d,
                        PairWeights<Arch, kQueries>& w) {
  using V = Vec<Arch>;
  constexpr int kW = kLanes<Arch>;
  using L = Lanes<Arch>;
  const int16_t* q = s.q + first * d;
  const int32_t* k = s.k + begin * (d / 2) * kW;
  typename L::Pairs sum[kQueries][kVectors];
  unrolled<kQueries * kVectors>([&](auto i) __attribute__((always_inline)) {
    sum[i / kVectors][i % kVectors] = typename L::Pairs(0);
  });
  for (int p = 0; p < d / 2; ++p) {
    typename L::Pairs key[kVectors];
    unrolled<kVectors>([&](auto t) __attribute__((always_inline)) {
      key[t] = L::Pairs::load_aligned(k + (t * d / 2 + p) * kW);
    });
    unrolled<kQueries>([&](auto i) __attribute__((always_inline)) {
      const auto own = broadcast_pair<Arch>(q + i * d + 2 * p);
      unrolled<kVectors>([&](auto t) __attribute__((always_inline)) {
        sum[i][t] = L::dot_pairs(sum[i][t], key[t], own);
      });
    });
  }
  unrolled<kQueries>([&](auto i) __attribute__((always_inline)) {
    unrolled<kVectors>([&](auto t) __attribute__((always_inline)) {
      const int token = (begin + t) * kW;
      const V unit = V(s.q_unit[first + i]) * V::load_aligned(s.k_unit + token);
      (xsimd::to_float(sum[i][t]) * unit).store_aligned(w.score[i] + token);
    });
  });
}

/// Joins a chunk's maxima and masses with the state of its queries.
template <class Arch, int kQueries>
inline void join_state(const AttendState& state, PairWeights<Arch, kQueries>& w) {
  using V = Vec<Arch>;
  constexpr int kW = kLanes<Arch>;
  alignas(64) float max[kW] = {}, sum[kW] = {};
  for (int i = 0; i < kQueries; ++i) {
    max[i] = state.max[i];
    sum[i] = state.sum[i];
  }
  const V own = V::load_aligned(w.largest) * V(kLn2), had = V::load_aligned(max), one(1.0f);
  const V mass = V::load_aligned(w.mass), root = xsimd::sqrt(mass);
  // No difference of two infinities: a chunk that nobody sees has no mass.
  const V smaller = xsimd::select(mass > V(0.0f), exp<Arch>(V(0.0f) - xsimd::abs(had - own)), mass);
  const auto rises = own > had;
  const V keep = xsimd::select(rises, smaller, one), scaled = xsimd::select(rises, one, smaller);
  keep.store_aligned(w.keep);
  to_one<Arch>(root).store_aligned(w.scale);
  (scaled * root * V(1 / kPairOne)).store_aligned(w.unit);
  mul_add<Arch>(V::load_aligned(sum), keep, scaled * mass).store_aligned(sum);
  xsimd::select(rises, own, had).store_aligned(max);
  for (int i = 0; i < kQueries; ++i) {
    state.max[i] = max[i];
    state.sum[i] = sum[i];
  }
}

/// Scores [n_tokens] of each query to weights. Step by step for all queries: each step is a chain
/// of instructions, but they run side by side.
template <class Arch, int kQueries>
inline void weigh_pairs(int n_tokens, const Range (&seen)[kQueries], const AttendState& state,
                        PairWeights<Arch, kQueries>& w) {
  using V = Vec<Arch>;
  using L = Lanes<Arch>;
  constexpr int kW = kLanes<Arch>;
  V(0.0f).store_aligned(w.largest);
  V(0.0f).store_aligned(w.mass);
  for (int i = 0; i < kQueries; ++i) {
    const float* s = w.score[i];
    hide<Arch>(w.score[i], n_tokens, seen[i]);
    V highest = V::load_aligned(s);
    for (int t = kW; t < n_tokens; t += kW) highest = xsimd::max(highest, V::load_aligned(s + t));
    w.largest[i] = L::max(highest);
  }
  for (int i = 0; i < kQueries; ++i) {
    float* s = w.score[i];
    const V offset(w.largest[i] == kNothing ? 0.0f : w.largest[i]);
    V total(0.0f);
    for (int t = 0; t < n_tokens; t += kW) {
      const V weight = L::exp2(V::load_aligned(s + t) - offset);
      weight.store_aligned(s + t);
      total += weight;
    }
    w.mass[i] = L::sum(total);
  }
  join_state<Arch>(state, w);
  for (int i = 0; i < kQueries; ++i) {
    const V scale(w.scale[i]);
    for (int t = 0; t < n_tokens; t += kW) {
      L::store_i16(w.weight[i] + t, V::load_aligned(w.score[i] + t) * scale);
    }
  }
}

/// out[:, col .. col + kVectors * W): keep * out + weights * V over the pairs of tokens `pairs`.
template <class Arch, int kVectors, int kQueries>
inline void mix_pairs(const PairScratch<Arch>& s, const PairWeights<Arch, kQueries>& w, Range pairs,
                      int d, int col, float* out) {
  using V = Vec<Arch>;
  constexpr int kW = kLanes<Arch>;
  using L = Lanes<Arch>;
  typename L::Pairs sum[kQueries][kVectors];
  unrolled<kQueries * kVectors>([&](auto i) __attribute__((always_inline)) {
    sum[i / kVectors][i % kVectors] = typename L::Pairs(0);
  });
  for (int64_t p = pairs.begin; p < pairs.end; ++p) {
    typename L::Pairs value[kVectors];
    unrolled<kVectors>([&](auto j) __attribute__((always_inline)) {
      value[j] = L::Pairs::load_aligned(s.v + p * d + col + j * kW);
    });
    unrolled<kQueries>([&](auto i) __attribute__((always_inline)) {
      const auto weight = broadcast_pair<Arch>(w.weight[i] + 2 * p);
      unrolled<kVectors>([&](auto j) __attribute__((always_inline)) {
        sum[i][j] = L::dot_pairs(sum[i][j], value[j], weight);
      });
    });
  }
  unrolled<kQueries>([&](auto i) __attribute__((always_inline)) {
    unrolled<kVectors>([&](auto j) __attribute__((always_inline)) {
      float* to = out + int64_t{i} * d + col + j * kW;
      const V unit = V(w.unit[i]) * V::load_aligned(s.v_unit + col + j * kW);
      mul_add<Arch>(xsimd::to_float(sum[i][j]), unit, load<Arch>(to) * V(w.keep[i]))
          .store_unaligned(to);
    });
  });
}

/// kQueries queries from `first` on over the chunk in `s`, which has these tokens of the run.
template <class Arch, int kQueries>
inline void attend_pairs(const PairScratch<Arch>& s, const Range& chunk, const QueryBlock& queries,
                         int first, const AttendState& state) {
  const auto seen = seen_by_group<kQueries>(queries, first, kQueries, chunk);
  if (seen.begin >= seen.end) return;
  PairWeights<Arch, kQueries> w;
  const int n_tiles = ceil_div(seen.end, kTileTokens);
  constexpr int kVectors = kPairVectors<Arch, kQueries>, kPerTile = PairScratch<Arch>::kPerTile;
  for (int v = 0; v < n_tiles * kPerTile; v += kVectors) {
    const int n = clamp_to(n_tiles * kPerTile - v, 1, kVectors);
    with_count(n, [&]<int kN>() {
      if constexpr (kN <= kVectors) {
        score_pairs<Arch, kQueries, kN>(s, first, v, queries.d_k, w);
      }
    });
  }
  const AttendState own = state.from(first, queries.d_v);
  weigh_pairs<Arch>(n_tiles * kTileTokens, seen.of, own, w);
  const Range pairs{seen.begin / 2, ceil_div(seen.end, 2)};
  int col = 0;
  for (; col + kVectors * kLanes<Arch> <= queries.d_v; col += kVectors * kLanes<Arch>) {
    mix_pairs<Arch, kVectors>(s, w, pairs, queries.d_v, col, own.out);
  }
  for (; col < queries.d_v; col += kLanes<Arch>) {
    mix_pairs<Arch, 1>(s, w, pairs, queries.d_v, col, own.out);
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
