// What queries take of the functions of chunks (simd/latent_run.h), 16 at a time side by side in
// vectors: of many queries in one chunk, or of one query in many chunks. So nothing is spread or
// summed across lanes.
#pragma once

#include "simd/wide/latent_score-inl.h"

namespace lowkey::simd::wide {
namespace {

constexpr int kMeanLanes = kQueryBlock;
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
  /// Even functions, or odd ones: those of the fast pairs, then polynomials.
  int n_functions() const { return n + kSlowPolynomials / 2; }
};

/// [2 n_pairs] of each lane: weights of queries, or phases of chunks' first tokens.
struct PhaseLanes {
  alignas(64) float of[kLatentMaxCoords][kMeanLanes];
};

/// Of each lane, function by function: cos and sin of the active pairs, then the even and the odd
/// polynomials.
struct Shares {
  alignas(64) float even[kMostFunctions][kMeanLanes];
  alignas(64) float odd[kMostFunctions][kMeanLanes];
};

enum class LaneOf { kQuery, kChunk };

/// Weights a cos + b sin of an angle, seen from where that has grown by another: what cos, and sin,
/// of what it grows from there on take.
template <class Ops, LaneOf kLane>
struct TurnedPair {
  using Float = typename Ops::Float;
  Float even, odd;

  /// Pair i of n; own [2 n]: what all lanes share, phases for queries and weights for chunks.
  [[gnu::always_inline]] TurnedPair(const float* own, const float (*lanes)[kMeanLanes], int i,
                                    int n) {
    const Float x = Float::load_aligned(lanes[i]), y = Float::load_aligned(lanes[n + i]);
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
  const float* odd_rows = phases.slow + kEach * phases.n_slow_rows();
  for (int lane = 0; lane < kMeanLanes; lane += Ops::kLanes) {
    const auto* from = reinterpret_cast<const float(*)[kMeanLanes]>(lanes.of[0] + lane);
    for (int k = 0; k < active.n; ++k) {
      const TurnedPair<Ops, kLane> pair(own, from, active.of[k], n);
      pair.even.store_aligned(shares.even[k] + lane);
      pair.odd.store_aligned(shares.odd[k] + lane);
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
    for (int k = 0; k < kEach; ++k) {
      evens[k].store_aligned(shares.even[active.n + k] + lane);
      odds[k].store_aligned(shares.odd[active.n + k] + lane);
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
