// What the turned mean of the keys adds to the scores of a chunk (simd/latent_run.h).
#pragma once

#include "simd/wide/latent_score-inl.h"

namespace lowkey::simd::wide {
namespace {

static_assert(kChunkTokens == kLatentChunk);

/// A cosine and a sine for every slow polynomial; compilers lower both to what the set has.
typedef float SlowSum __attribute__((vector_size(8 * kSlowPolynomials), aligned(4)));
typedef double SlowPair __attribute__((vector_size(8 * kSlowPolynomials)));

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
    return (SlowSum)(SlowPair{p, p, p, p, p, p, p, p});
  };
  const int n = phases.n_pairs - phases.n_fast;
  int i = 0;
  for (; i + kSums <= n; i += kSums) {
    for (int k = 0; k < kSums; ++k) sum[k] += both(i + k) * of_pair[i + k];
  }
  for (; i < n; ++i) sum[0] += both(i) * of_pair[i];
  const SlowSum total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  typedef float Shares __attribute__((vector_size(4 * kSlowPolynomials)));
  const Shares sums = __builtin_shufflevector(total, total, 0, 2, 4, 6, 8, 10, 12, 14) +
                      __builtin_shufflevector(total, total, 1, 3, 5, 7, 9, 11, 13, 15);
  std::memcpy(shares, &sums, sizeof(sums));
}

/// Asks for the phases of the chunk that begins at `token`: they lie far apart in a long table.
inline void prefetch_phases(const TurnedMean& mean, int64_t token) {
  const int64_t n = 2 * mean.phases->n_pairs;
  for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(mean.start + token * n + i);
}

/// How much of each of the chunk's functions a query takes: its weights turned to the chunk's
/// start, those of slow pairs gathered into polynomials.
inline void chunk_shares(const TurnedMean& mean, int query, int64_t token, float* shares) {
  const int n = mean.phases->n_pairs, n_fast = mean.phases->n_fast;
  const float* weights = mean.weights + int64_t{query} * 2 * n;
  const float* start = mean.start + token * 2 * n;
  for (int i = 0; i < n; ++i) {
    shares[2 * i] = weights[i] * start[i] + weights[n + i] * start[n + i];
    shares[2 * i + 1] = weights[n + i] * start[i] - weights[i] * start[n + i];
  }
  slow_shares(*mean.phases, shares + 2 * n_fast, shares + 2 * n_fast);
}

/// Fills the scores of kQueries queries for a chunk, in units of log 2, with what the mean gives.
template <class Ops, int kQueries>
void mean_scores(const TurnedMean& mean, int query, int64_t token, float* score) {
  using Float = typename Ops::Float;
  constexpr float kLog2E = 1.44269504f;
  constexpr int kVectors = kChunkTokens / Ops::kLanes, kHeld = kVectors < 8 ? kVectors : 8;
  float shares[kQueries][kLatentMaxCoords + kSlowPolynomials];
  for (int q = 0; q < kQueries; ++q) chunk_shares(mean, query + q, token, shares[q]);
  const auto takes_part = [&](int f) {
    bool any = false;
    for (int q = 0; q < kQueries; ++q) any = any || shares[q][f] != 0.0f;
    return any;
  };
  const int n_functions = mean.phases->n_functions();
  for (int first = 0; first < kVectors; first += kHeld) {
    Float sum[kQueries][kHeld];
    unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
      unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
        sum[q][v] = Float(mean.constant[query + q] * kLog2E);
      });
    });
    const float* function = mean.phases->functions + first * Ops::kLanes;
    for (int f = 0; f < n_functions; ++f, function += kChunkTokens) {
      if (!takes_part(f)) continue;  // pairs without a mean cost nothing
      unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
        const Float share(shares[q][f] * kLog2E);
        unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
          sum[q][v] =
              Ops::mul_add(share, Float::load_aligned(function + v * Ops::kLanes), sum[q][v]);
        });
      });
    }
    unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
      unrolled<kHeld>([&](auto v) __attribute__((always_inline)) {
        sum[q][v].store_aligned(score + q * kChunkTokens + (first + v) * Ops::kLanes);
      });
    });
  }
}

/// Starts the scores of a chunk whose first token is `token`: queries first .. first + n - 1.
template <class Ops>
void start_scores(const TurnedMean* mean, Range queries, int64_t token, float* score) {
  using Float = typename Ops::Float;
  int64_t q = queries.begin;
  const int64_t end = queries.end;
  if (!mean) {
    const int64_t n = (end - q) * kChunkTokens;
    for (int64_t t = 0; t < n; t += Ops::kLanes) Float(0.0f).store_aligned(score + t);
    return;
  }
  constexpr int kMost = Ops::kMeanQueries;
  for (; q + kMost <= end; q += kMost, score += kMost * kChunkTokens) {
    mean_scores<Ops, kMost>(*mean, int(q), token, score);
  }
  for (; q < end; ++q, score += kChunkTokens) mean_scores<Ops, 1>(*mean, int(q), token, score);
}

}  // namespace
}  // namespace lowkey::simd::wide
