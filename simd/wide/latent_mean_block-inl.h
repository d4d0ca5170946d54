// What many queries take of the functions of a chunk: queries side by side in vectors, so that
// nothing is spread or summed across lanes. Few queries: latent_mean-inl.h.
#pragma once

#include "simd/wide/latent_score-inl.h"

namespace lowkey::simd::wide {
namespace {

/// From so many queries on a block's are led side by side.
constexpr int kMeanBlock = 8;

/// Pairs of functions that any query takes anything of, fast pairs' first: others cost nothing.
struct ActiveFunctions {
  int n = 0;
  int n_fast = 0;
  int16_t of[kLatentMaxCoords / 2 + kSlowPolynomials / 2];

  /// taken [n_pairs]: not 0 for fast pairs that are. Polynomials always are.
  void list(const float* taken, int n_pairs) {
    n = 0;
    for (int f = 0; f < n_pairs; ++f) {
      of[n] = int16_t(f);
      n += taken[f] != 0;
    }
    n_fast = n;
    for (int j = 0; j < kSlowPolynomials / 2; ++j) of[n++] = int16_t(n_pairs + j);
  }
};

/// Weights [2 n_pairs] of a block's queries, 0 behind the last.
struct BlockWeights {
  alignas(64) float of[kLatentMaxCoords][kQueryBlock];
};

/// What each query takes of the even, and of the odd, functions; as ChunkShares, of those active.
struct BlockShares {
  alignas(64) float even[kLatentMaxCoords / 2 + kSlowPolynomials][kQueryBlock];
  alignas(64) float odd[kLatentMaxCoords / 2 + kSlowPolynomials][kQueryBlock];
};

/// Shares of a chunk whose first token has the phases `start` [2 n_pairs].
template <class Ops>
void block_shares(const ChunkPhases& phases, const float* start, const ActiveFunctions& active,
                  const BlockWeights& weights, BlockShares& shares) {
  using Float = typename Ops::Float;
  constexpr int kEach = kSlowPolynomials / 2;
  const int n = phases.n_pairs, n_fast = phases.n_fast;
  const float* odd_rows = phases.slow + kEach * phases.n_slow_rows();
  for (int lane = 0; lane < kQueryBlock; lane += Ops::kLanes) {
    const auto turn = [&](int i, Float& even, Float& odd) __attribute__((always_inline)) {
      const Float a = Float::load_aligned(weights.of[i] + lane);
      const Float b = Float::load_aligned(weights.of[n + i] + lane);
      const Float c(start[i]), s(start[n + i]);
      even = Ops::mul_add(a, c, b * s);
      odd = b * c - a * s;
    };
    for (int k = 0; k < active.n_fast; ++k) {
      const int f = active.of[k];
      Float even, odd;
      turn(f, even, odd);
      even.store_aligned(shares.even[f] + lane);
      odd.store_aligned(shares.odd[f] + lane);
    }
    Float evens[kEach], odds[kEach];
    for (int k = 0; k < kEach; ++k) evens[k] = odds[k] = Float(0.0f);
    for (int i = n_fast; i < n; ++i) {
      Float even, odd;
      turn(i, even, odd);
      const int row = kEach * (i - n_fast);
      unrolled<kEach>([&](auto k) __attribute__((always_inline)) {
        evens[k] = Ops::mul_add(Float(phases.slow[row + k]), even, evens[k]);
        odds[k] = Ops::mul_add(Float(odd_rows[row + k]), odd, odds[k]);
      });
    }
    for (int k = 0; k < kEach; ++k) {
      evens[k].store_aligned(shares.even[n_fast + k] + lane);
      odds[k].store_aligned(shares.odd[n_fast + k] + lane);
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
