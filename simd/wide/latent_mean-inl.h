// What the turned mean of the keys adds to the scores of a chunk (simd/latent_run.h).
#pragma once

#include "simd/wide/latent_mean_block-inl.h"

namespace lowkey::simd::wide {
namespace {

static_assert(kChunkTokens == kLatentChunk);

/// What a query takes of the even, and of the odd, functions of a chunk: of a pair's cos and sin,
/// or of the slow pairs' polynomials behind the fast pairs.
struct ChunkShares {
  alignas(64) float even[kLatentMaxCoords / 2 + kSlowPolynomials];
  alignas(64) float odd[kLatentMaxCoords / 2 + kSlowPolynomials];

  /// Pairs from n_pairs on, which fill up the slow ones' rows.
  void clear_padding(int n_pairs) {
    static_assert(kSlowPadding <= kSlowPolynomials);
    std::fill_n(even + n_pairs, kSlowPadding, 0.0f);
    std::fill_n(odd + n_pairs, kSlowPadding, 0.0f);
  }
};

/// Weights of phases [2 n], seen `by` [2 n] phases later: what cos, and sin, of the angle from
/// there on take.
template <class Ops>
void turn_weights(const float* weights, const float* by, int n, float* cosines, float* sines) {
  using Float = typename Ops::Float;
  int i = 0;
  for (; i + Ops::kLanes <= n; i += Ops::kLanes) {
    const Float a = Float::load_unaligned(weights + i), b = Float::load_unaligned(weights + n + i);
    const Float c = Float::load_unaligned(by + i), s = Float::load_unaligned(by + n + i);
    Ops::mul_add(a, c, b * s).store_unaligned(cosines + i);
    (b * c - a * s).store_unaligned(sines + i);
  }
  for (; i < n; ++i) {
    cosines[i] = weights[i] * by[i] + weights[n + i] * by[n + i];
    sines[i] = weights[n + i] * by[i] - weights[i] * by[n + i];
  }
}

/// Gathers what a query takes of the slow pairs into polynomials, in their place: pairs side by
/// side in vectors, all four polynomials of each. Several sums, because one would wait for itself.
template <class Ops>
void gather_slow(const ChunkPhases& phases, ChunkShares& shares) {
  static_assert(kSlowPolynomials == 8);
  using Float = typename Ops::Float;
  constexpr int kPairs = Ops::kLanes / 4, kSums = kSlowPadding / kPairs;
  const int n = phases.n_slow_rows(), n_fast = phases.n_fast;
  Float even[kSums], odd[kSums];
  for (int k = 0; k < kSums; ++k) even[k] = odd[k] = Float(0.0f);
  const float *row = phases.slow, *odd_row = row + 4 * n;
  for (int i = 0; i < n; i += kSlowPadding) {
    unrolled<kSums>([&](auto k) __attribute__((always_inline)) {
      const int at = i + k * kPairs;
      const Float c = Ops::spread4(shares.even + n_fast + at);
      const Float s = Ops::spread4(shares.odd + n_fast + at);
      even[k] = Ops::mul_add(c, Float::load_aligned(row + 4 * at), even[k]);
      odd[k] = Ops::mul_add(s, Float::load_aligned(odd_row + 4 * at), odd[k]);
    });
  }
  for (int k = 1; k < kSums; ++k) {
    even[0] += even[k];
    odd[0] += odd[k];
  }
  const Four all_even = Ops::sum_by_4(even[0]), all_odd = Ops::sum_by_4(odd[0]);
  std::memcpy(shares.even + n_fast, &all_even, sizeof(Four));
  std::memcpy(shares.odd + n_fast, &all_odd, sizeof(Four));
}

/// The weights of a block's queries, turned by half a chunk and in units of log 2.
struct MiddleWeights {
  alignas(64) float of[kQueryBlock][kLatentMaxCoords + 16];
  float constant[kQueryBlock];
  ActiveFunctions active;
  BlockWeights by_pair;  // the same of many queries

  template <class Ops>
  void prepare(const TurnedMean& mean, Range queries) {
    using Float = typename Ops::Float;
    constexpr float kLog2E = 1.44269504f;
    const int n = mean.phases->n_pairs, n_fast = mean.phases->n_fast;
    for (int64_t q = queries.begin; q < queries.end; ++q) {
      float* own = of[q - queries.begin];
      turn_weights<Ops>(mean.weights + q * 2 * n, mean.phases->middle, n, own, own + n);
      for (int i = 0; i < 2 * n; ++i) own[i] *= kLog2E;
      constant[q - queries.begin] = mean.constant[q] * kLog2E;
    }
    // Whole vectors: what lies behind the fast pairs is not looked at.
    alignas(64) float taken[kLatentMaxCoords / 2 + Ops::kLanes];
    for (int f = 0; f < n_fast; f += Ops::kLanes) {
      Float sum(0.0f);
      for (int64_t q = 0; q < queries.size(); ++q) {
        sum += xsimd::abs(Float::load_aligned(of[q] + f));
        sum += xsimd::abs(Float::load_unaligned(of[q] + n + f));
      }
      sum.store_aligned(taken + f);
    }
    active.list(taken, n_fast);
    if (queries.size() < kMeanBlock) return;
    for (int i = 0; i < 2 * n; ++i) {
      std::fill_n(by_pair.of[i], kQueryBlock, 0.0f);
      for (int64_t q = 0; q < queries.size(); ++q) by_pair.of[i][q] = of[q][i];
    }
  }
};

/// Asks for the phases of the chunk that begins at `token`: they lie far apart in a long table.
inline void prefetch_phases(const TurnedMean& mean, int64_t token) {
  const int64_t n = 2 * mean.phases->n_pairs;
  for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(mean.start + token * n + i);
}

/// Where the shares of some queries lie: those of query q of function f at even, or odd,
/// [q * kQuery + f * kFunction].
template <int64_t kQueryStride, int64_t kFunctionStride>
struct ShareView {
  static constexpr int64_t kQuery = kQueryStride, kFunction = kFunctionStride;
  const float *even, *odd;
};
using OwnShares = ShareView<sizeof(ChunkShares) / sizeof(float), 1>;
using SideBySide = ShareView<1, kQueryBlock>;

/// What kQueries queries take of one function, even or odd, added to their sums.
template <class Ops, class Shares, int kQueries, int kHeld>
[[gnu::always_inline]] inline void add_function(const float* share, const float* function,
                                                typename Ops::Float (&sum)[kQueries][kHeld]) {
  using Float = typename Ops::Float;
  Float value[kHeld];
  unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
    value[v] = Float::load_aligned(function + v * Ops::kLanes);
  });
  unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
    const Float own(share[q * Shares::kQuery]);
    unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
      sum[q][v] = Ops::mul_add(own, value[v], sum[q][v]);
    });
  });
}

/// Fills the scores of kQueries queries from `query` on for a chunk, in units of log 2, with what
/// their shares of the functions give.
template <class Ops, int kQueries, class Shares>
void sum_functions(const ChunkPhases& phases, const MiddleWeights& weights, const Shares& shares,
                   int query, float* score) {
  using Float = typename Ops::Float;
  constexpr int kHalf = kChunkTokens / 2, kVectors = kHalf / Ops::kLanes;
  constexpr int kHeld = kVectors < 4 ? kVectors : 4;
  for (int first = 0; first < kVectors; first += kHeld) {
    Float even[kQueries][kHeld], odd[kQueries][kHeld];
    unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
      unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
        even[q][v] = Float(weights.constant[query + q]);
        odd[q][v] = Float(0.0f);
      });
    });
    for (int i = 0; i < weights.active.n; ++i) {
      const int f = weights.active.of[i];
      const float* function = phases.functions + f * kChunkTokens + first * Ops::kLanes;
      const int64_t at = f * Shares::kFunction;
      add_function<Ops, Shares, kQueries, kHeld>(shares.even + at, function, even);
      add_function<Ops, Shares, kQueries, kHeld>(shares.odd + at, function + kHalf, odd);
    }
    unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
      unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
        float* middle = score + q * kChunkTokens + kHalf;
        const int at = (first + v) * Ops::kLanes;
        (even[q][v] + odd[q][v]).store_aligned(middle + at);
        Ops::reversed(even[q][v] - odd[q][v]).store_aligned(middle - at - Ops::kLanes);
      });
    });
  }
}

/// The scores of a few queries for a chunk whose first token is `token`.
template <class Ops, int kQueries>
void mean_scores(const TurnedMean& mean, const MiddleWeights& weights, int query, int64_t token,
                 float* score) {
  const ChunkPhases& phases = *mean.phases;
  ChunkShares shares[kQueries];
  for (int q = 0; q < kQueries; ++q) {
    const float* start = mean.start + token * 2 * phases.n_pairs;
    shares[q].clear_padding(phases.n_pairs);
    turn_weights<Ops>(weights.of[query + q], start, phases.n_pairs, shares[q].even, shares[q].odd);
  }
  for (int q = 0; q < kQueries; ++q) gather_slow<Ops>(phases, shares[q]);
  const OwnShares view{shares[0].even, shares[0].odd};
  sum_functions<Ops, kQueries>(phases, weights, view, query, score);
}

/// The same of many, whose shares are found side by side.
template <class Ops>
void mean_scores_of_block(const TurnedMean& mean, const MiddleWeights& weights, int n_queries,
                          int64_t token, float* score) {
  constexpr int kMost = Ops::kMeanQueries;
  const ChunkPhases& phases = *mean.phases;
  BlockShares shares;
  block_shares<Ops>(phases, mean.start + token * 2 * phases.n_pairs, weights.active,
                    weights.by_pair, shares);
  int q = 0;
  for (; q + kMost <= n_queries; q += kMost) {
    const SideBySide view{shares.even[0] + q, shares.odd[0] + q};
    sum_functions<Ops, kMost>(phases, weights, view, q, score + q * kChunkTokens);
  }
  for (; q < n_queries; ++q) {
    const SideBySide view{shares.even[0] + q, shares.odd[0] + q};
    sum_functions<Ops, 1>(phases, weights, view, q, score + q * kChunkTokens);
  }
}

/// What the scores of a chunk whose first token is `token` begin with, of the first n_queries; in
/// `score` where a mean turns.
template <class Ops>
ScoreStart start_scores(const TurnedMean* mean, const MiddleWeights& weights, int n_queries,
                        int64_t token, float* score) {
  alignas(64) static constexpr float kNone[kChunkTokens] = {};
  if (!mean) return {kNone, 0};
  if (n_queries >= kMeanBlock) {
    mean_scores_of_block<Ops>(*mean, weights, n_queries, token, score);
    return {score, kChunkTokens};
  }
  constexpr int kMost = Ops::kMeanQueries;
  float* row = score;
  int q = 0;
  for (; q + kMost <= n_queries; q += kMost, row += kMost * kChunkTokens) {
    mean_scores<Ops, kMost>(*mean, weights, q, token, row);
  }
  for (; q < n_queries; ++q, row += kChunkTokens) {
    mean_scores<Ops, 1>(*mean, weights, q, token, row);
  }
  return {score, kChunkTokens};
}

}  // namespace
}  // namespace lowkey::simd::wide
