// What the turned mean of the keys adds to the scores of a chunk (simd/latent_run.h).
#pragma once

#include "simd/wide/latent_score-inl.h"

namespace lowkey::simd::wide {
namespace {

static_assert(kChunkTokens == kLatentChunk);

/// A value for every slow polynomial; compilers lower it to what the set has.
typedef float SlowSum __attribute__((vector_size(4 * kSlowPolynomials), aligned(4)));
typedef double SlowPairs __attribute__((vector_size(4 * kSlowPolynomials)));

/// What the slow pairs' cosines and sines [n, 2] come to in polynomials. Several sums, because one
/// would wait for itself.
inline void slow_shares(const ChunkPhases& phases, const float* pairs, float* shares) {
  constexpr int kSums = 4;
  static_assert(kSlowPolynomials == 8);
  SlowSum sum[kSums] = {};
  const auto* of_pair = reinterpret_cast<const SlowSum*>(phases.slow);
  const auto both = [&](int i) {
    double p;  // cosine and sine at once
    std::memcpy(&p, pairs + 2 * i, sizeof(p));
    return (SlowSum)(SlowPairs{p, p, p, p});
  };
  const int n = phases.n_pairs - phases.n_fast;
  int i = 0;
  for (; i + kSums <= n; i += kSums) {
    for (int k = 0; k < kSums; ++k) sum[k] += both(i + k) * of_pair[i + k];
  }
  for (; i < n; ++i) sum[0] += both(i) * of_pair[i];
  const SlowSum total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  std::memcpy(shares, &total, sizeof(total));
}

/// Weights of phases as seen `by` phases later: what cos and sin of the angle from there on take.
/// kApart: floats from one pair's share of cos to the next's; its share of sin lies kToSine behind.
template <int kApart>
inline void turn_weights(const float* weights, const float* by, int n, int to_sine, float* out) {
  for (int i = 0; i < n; ++i) {
    out[kApart * i] = weights[i] * by[i] + weights[n + i] * by[n + i];
    out[kApart * i + to_sine] = weights[n + i] * by[i] - weights[i] * by[n + i];
  }
}

/// The weights of a block's queries, turned by half a chunk and in units of log 2.
struct MiddleWeights {
  alignas(64) float of[kQueryBlock][kLatentMaxCoords];
  float constant[kQueryBlock];

  void prepare(const TurnedMean& mean, Range queries) {
    constexpr float kLog2E = 1.44269504f;
    const int n = mean.phases->n_pairs;
    for (int64_t q = queries.begin; q < queries.end; ++q) {
      float* own = of[q - queries.begin];
      turn_weights<1>(mean.weights + q * 2 * n, mean.phases->middle, n, n, own);
      for (int i = 0; i < 2 * n; ++i) own[i] *= kLog2E;
      constant[q - queries.begin] = mean.constant[q] * kLog2E;
    }
  }
};

/// Asks for the phases of the chunk that begins at `token`: they lie far apart in a long table.
inline void prefetch_phases(const TurnedMean& mean, int64_t token) {
  const int64_t n = 2 * mean.phases->n_pairs;
  for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(mean.start + token * n + i);
}

/// What kQueries queries take of one function, even or odd, added to their sums.
template <class Ops, int kQueries, int kHeld>
[[gnu::always_inline]] inline void add_function(const float* shares, int64_t stride,
                                                const float* function,
                                                typename Ops::Float (&sum)[kQueries][kHeld]) {
  using Float = typename Ops::Float;
  Float value[kHeld];
  unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
    value[v] = Float::load_aligned(function + v * Ops::kLanes);
  });
  unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
    const Float share(shares[q * stride]);
    unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
      sum[q][v] = Ops::mul_add(share, value[v], sum[q][v]);
    });
  });
}

/// Fills the scores of kQueries queries for a chunk, in units of log 2, with what the mean gives.
template <class Ops, int kQueries>
void mean_scores(const TurnedMean& mean, const MiddleWeights& weights, int query, int64_t token,
                 float* score) {
  using Float = typename Ops::Float;
  constexpr int kHalf = kChunkTokens / 2, kVectors = kHalf / Ops::kLanes;
  constexpr int kHeld = kVectors < 4 ? kVectors : 4;
  constexpr int64_t kShares = kLatentMaxCoords + kSlowPolynomials;
  const ChunkPhases& phases = *mean.phases;
  alignas(64) float shares[kQueries][kShares];
  for (int q = 0; q < kQueries; ++q) {
    const float* start = mean.start + token * 2 * phases.n_pairs;
    turn_weights<2>(weights.of[query + q], start, phases.n_pairs, 1, shares[q]);
    slow_shares(phases, shares[q] + 2 * phases.n_fast, shares[q] + 2 * phases.n_fast);
  }
  const auto takes_part = [&](int f) {
    bool any = false;
    for (int q = 0; q < kQueries; ++q)
      any = any || shares[q][2 * f] != 0 || shares[q][2 * f + 1] != 0;
    return any;
  };
  for (int first = 0; first < kVectors; first += kHeld) {
    Float even[kQueries][kHeld], odd[kQueries][kHeld];
    unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
      unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
        even[q][v] = Float(weights.constant[query + q]);
        odd[q][v] = Float(0.0f);
      });
    });
    const float* function = phases.functions + first * Ops::kLanes;
    for (int f = 0; f < phases.n_function_pairs(); ++f, function += kChunkTokens) {
      if (!takes_part(f)) continue;  // pairs without a mean cost nothing
      add_function<Ops, kQueries, kHeld>(shares[0] + 2 * f, kShares, function, even);
      add_function<Ops, kQueries, kHeld>(shares[0] + 2 * f + 1, kShares, function + kHalf, odd);
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

/// Starts the scores of a chunk whose first token is `token`, of the first n_queries.
template <class Ops>
void start_scores(const TurnedMean* mean, const MiddleWeights& weights, int n_queries,
                  int64_t token, float* score) {
  using Float = typename Ops::Float;
  if (!mean) {
    const int64_t n = int64_t{n_queries} * kChunkTokens;
    for (int64_t t = 0; t < n; t += Ops::kLanes) Float(0.0f).store_aligned(score + t);
    return;
  }
  constexpr int kMost = Ops::kMeanQueries;
  int q = 0;
  for (; q + kMost <= n_queries; q += kMost, score += kMost * kChunkTokens) {
    mean_scores<Ops, kMost>(*mean, weights, q, token, score);
  }
  for (; q < n_queries; ++q, score += kChunkTokens) {
    mean_scores<Ops, 1>(*mean, weights, q, token, score);
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
