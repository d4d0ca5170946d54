// What queries take of the functions of chunks (simd/latent_run.h), 16 at a time side by side in
// vectors: of many queries in one chunk, or of one query in many chunks. So nothing is spread or
// summed across lanes.
#pragma once

#include "simd/wide/latent_score-inl.h"

namespace lowkey::simd::wide {
namespace {

constexpr int kMeanLanes = kQueryGroup;
constexpr int kMostFunctions = kLatentMaxCoords / 2 + kSlowPolynomials / 2;

/// Fast pairs that any query takes anything of: others cost nothing.
struct ActivePairs {
  int n = 0;
  int16_t of[kLatentMaxCoords / 2];

  /// taken [n_fast]: not 0 for those that are.
  void list(const float* taken, int n_fast) {
    n = 0;
    for (int f = 0; f < n_fast; ++f) {
      of[n] = int16_t(f);
      n += taken[f] != 0;
    }
  }
  /// Functions: cos, or sin, of the fast pairs, then polynomials; the first even one is constant.
  int n_even() const { return n + kSlowPolynomials / 2 - 1; }
  int n_odd() const { return n + kSlowPolynomials / 2; }
  /// Places of function k in the table of functions, in rows of half a chunk.
  int even_row(const ChunkPhases& phases, int k) const {
    return 2 * (k < n ? of[k] : phases.n_fast + 1 + k - n);
  }
  int odd_row(const ChunkPhases& phases, int k) const {
    return 2 * (k < n ? of[k] : phases.n_fast + k - n) + 1;
  }
};

/// [2 n_pairs] of each lane: weights of queries, or phases of chunks' first tokens; `stride` floats
/// from one row to the next.
struct PhaseLanes {
  const float* data;
  int64_t stride;
  const float* row(int i) const { return data + i * stride; }
};

/// Of each lane, function by function: even and odd side by side, so that few of them lie in few
/// pages.
template <class T, int kMost>
struct LaneShares {
  alignas(64) float constant[kMeanLanes];
  struct Function {
    alignas(64) T even[kMeanLanes];
    alignas(64) T odd[kMeanLanes];
  } of[kMost];
};
using Shares = LaneShares<float, kMostFunctions>;

/// Of some queries.
struct QueryScales {
  const float* constant;  // in units of log 2
  const float* unit;      // what a product of rounded shares and functions is worth
};

enum class LaneOf { kQuery, kChunk };

/// Weights a cos + b sin of an angle, seen from where that has grown by another: what cos, and sin,
/// of what it grows from there on take.
template <class Ops, LaneOf kLane>
struct TurnedPair {
  using Float = typename Ops::Float;
  Float even, odd;

  /// Pair i of n; own [2 n]: what all lanes share, phases for queries and weights for chunks.
  [[gnu::always_inline]] TurnedPair(const float* own, const PhaseLanes& lanes, int i, int n) {
    const Float x = Float::load_unaligned(lanes.row(i)),
                y = Float::load_unaligned(lanes.row(n + i));
    const Float u(own[i]), v(own[n + i]);
    even = Ops::mul_add(x, u, y * v);
    if constexpr (kLane == LaneOf::kQuery) {
      odd = y * u - x * v;
    } else {
      odd = x * v - y * u;
    }
  }
};

/// Shares of kMeanLanes queries or chunks.
template <class Ops, LaneOf kLane>
void find_shares(const ChunkPhases& phases, const ActivePairs& active, const float* own,
                 const PhaseLanes& lanes, Shares& shares) {
  using Float = typename Ops::Float;
  constexpr int kEach = kSlowPolynomials / 2;
  const int n = phases.n_pairs, n_fast = phases.n_fast;
  const float* odd_rows = phases.slow + kEach * phases.n_slow();
  for (int lane = 0; lane < kMeanLanes; lane += Ops::kLanes) {
    const PhaseLanes from{lanes.data + lane, lanes.stride};
    for (int k = 0; k < active.n; ++k) {
      const TurnedPair<Ops, kLane> pair(own, from, active.of[k], n);
      pair.even.store_aligned(shares.of[k].even + lane);
      pair.odd.store_aligned(shares.of[k].odd + lane);
    }
    Float evens[kEach], odds[kEach];
    for (int k = 0; k < kEach; ++k) evens[k] = odds[k] = Float(0.0f);
    for (int i = n_fast; i < n; ++i) {
      const TurnedPair<Ops, kLane> pair(own, from, i, n);
      const int row = kEach * (i - n_fast);
      unrolled<kEach>([&](auto k) __attribute__((always_inline)) {
        evens[k] = Ops::mul_add(Float(phases.slow[row + k]), pair.even, evens[k]);
        odds[k] = Ops::mul_add(Float(odd_rows[row + k]), pair.odd, odds[k]);
      });
    }
    evens[0].store_aligned(shares.constant + lane);
    for (int k = 1; k < kEach; ++k) evens[k].store_aligned(shares.of[active.n + k - 1].even + lane);
    for (int k = 0; k < kEach; ++k) odds[k].store_aligned(shares.of[active.n + k].odd + lane);
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
