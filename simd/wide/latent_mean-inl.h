// What the turned mean of the keys adds to the scores of a chunk (simd/latent_run.h).
#pragma once

#include "simd/wide/latent_score-inl.h"

namespace lowkey::simd::wide {
namespace {

static_assert(kChunkTokens == kLatentChunk);

/// kSlowPolynomials floats; compilers lower it to what the set has.
typedef float SlowSum __attribute__((vector_size(4 * kSlowPolynomials), aligned(4)));

/// What the slow pairs' cosines and sines come to in polynomials. Several sums, because one would
/// wait for itself.
inline SlowSum slow_shares(const ChunkPhases& phases, const float* cosines, const float* sines) {
  constexpr int kSums = 4;
  SlowSum cosine[kSums] = {}, sine[kSums] = {};
  const auto* of_pair = reinterpret_cast<const SlowSum*>(phases.slow);
  const int n = phases.n_pairs - phases.n_fast;
  int i = 0;
  for (; i + kSums <= n; i += kSums, of_pair += 2 * kSums) {
    for (int k = 0; k < kSums; ++k) {
      cosine[k] += cosines[i + k] * of_pair[2 * k];
      sine[k] += sines[i + k] * of_pair[2 * k + 1];
    }
  }
  for (; i < n; ++i, of_pair += 2) {
    cosine[0] += cosines[i] * of_pair[0];
    sine[0] += sines[i] * of_pair[1];
  }
  return (cosine[0] + cosine[1]) + (cosine[2] + cosine[3]) + (sine[0] + sine[1]) +
         (sine[2] + sine[3]);
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
  float cosines[kLatentMaxCoords / 2], sines[kLatentMaxCoords / 2];
  for (int i = 0; i < n; ++i) {
    cosines[i] = weights[i] * start[i] + weights[n + i] * start[n + i];
    sines[i] = weights[n + i] * start[i] - weights[i] * start[n + i];
  }
  const SlowSum slow = slow_shares(*mean.phases, cosines + n_fast, sines + n_fast);
  std::copy(cosines, cosines + n_fast, shares);
  std::copy(sines, sines + n_fast, shares + n_fast);
  std::memcpy(shares + 2 * n_fast, &slow, sizeof(slow));
}

/// Fills one query's scores of a chunk, in units of log 2, with what the mean gives.
template <class Ops>
void mean_scores(const TurnedMean& mean, int query, int64_t token, float* score) {
  using Float = typename Ops::Float;
  constexpr float kLog2E = 1.44269504f;
  constexpr int kVectors = kChunkTokens / Ops::kLanes, kHeld = kVectors < 8 ? kVectors : 8;
  float shares[kLatentMaxCoords + kSlowPolynomials];
  chunk_shares(mean, query, token, shares);
  const int n_functions = mean.phases->n_functions();
  for (int first = 0; first < kVectors; first += kHeld) {
    Float sum[kHeld];
    for (int v = 0; v < kHeld; ++v) sum[v] = Float(mean.constant[query] * kLog2E);
    const float* function = mean.phases->functions + first * Ops::kLanes;
    for (int f = 0; f < n_functions; ++f, function += kChunkTokens) {
      if (shares[f] == 0.0f) continue;  // pairs without a mean cost nothing
      const Float share(shares[f] * kLog2E);
      for (int v = 0; v < kHeld; ++v) {
        sum[v] = Ops::mul_add(share, Float::load_aligned(function + v * Ops::kLanes), sum[v]);
      }
    }
    for (int v = 0; v < kHeld; ++v) sum[v].store_aligned(score + (first + v) * Ops::kLanes);
  }
}

/// Starts the scores of a chunk whose first token is `token`: queries first .. first + n - 1.
template <class Ops>
void start_scores(const TurnedMean* mean, Range queries, int64_t token, float* score) {
  for (int64_t q = queries.begin; q < queries.end; ++q, score += kChunkTokens) {
    if (mean) {
      mean_scores<Ops>(*mean, int(q), token, score);
    } else {
      using Float = typename Ops::Float;
      for (int t = 0; t < kChunkTokens; t += Ops::kLanes) Float(0.0f).store_aligned(score + t);
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
