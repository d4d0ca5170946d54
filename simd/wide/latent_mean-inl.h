// What the turned mean of the keys adds to the scores of a chunk (simd/latent_run.h).
#pragma once

#include "simd/wide/latent_score-inl.h"

namespace lowkey::simd::wide {
namespace {

static_assert(kChunkTokens == kLatentChunk);

/// kSlowPolynomials floats; compilers lower it to what the set has.
typedef float SlowSum __attribute__((vector_size(4 * kSlowPolynomials), aligned(4)));

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
  std::copy(cosines, cosines + n_fast, shares);
  std::copy(sines, sines + n_fast, shares + n_fast);
  SlowSum cosine{}, sine{};
  const auto* of_pair = reinterpret_cast<const SlowSum*>(mean.phases->slow);
  for (int i = n_fast; i < n; ++i, of_pair += 2) {
    cosine += cosines[i] * of_pair[0];
    sine += sines[i] * of_pair[1];
  }
  cosine += sine;
  std::memcpy(shares + 2 * n_fast, &cosine, sizeof(cosine));
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
