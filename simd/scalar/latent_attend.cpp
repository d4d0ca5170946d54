// Plain attention on reconstructed latents, in double.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {
namespace {

/// The part of one side that holds a token of the runs, and the token's place in it.
struct Place {
  const std::byte* part = nullptr;
  int t = 0;
};

Place place_of(LatentSide side, const LatentRuns& tiles, int64_t token) {
  const KvRun* run = tiles.runs;
  while (token >= run->n_tokens) token -= run++->n_tokens;
  const std::byte* first = side == LatentSide::kK ? run->k : run->v;
  return {first + token / kTileTokens * run->tile_stride, int(token % kTileTokens)};
}

/// The latent of one token: [plan.n_coords].
std::vector<float> reconstruct(LatentSide side, const LatentRuns& tiles, int64_t token) {
  const LatentPlan& plan = side == LatentSide::kK ? tiles.k : tiles.v;
  std::vector<float> z(size_t(plan.n_coords));
  if (z.empty()) return z;
  const Place place = place_of(side, tiles, token);
  latent_decode(side, plan, place.part, place.t, z.data());
  return z;
}

bool is_hidden(const LatentRuns& tiles, int64_t token) {
  if (tiles.k.n_coords == 0) return false;
  const Place place = place_of(LatentSide::kK, tiles, token);
  return place.part[place.t] == kLatentHidden;
}

double mean_score(const TurnedMean& mean, int query, int64_t token) {
  const int64_t n = 2 * mean.phases->n_pairs;
  double score = mean.constant[query];
  for (int64_t i = 0; i < n; ++i) {
    score += double{mean.weights[query * n + i]} * mean.start[token * n + i];
  }
  return score;
}

/// Adds softmax weights times values [score.size(), n_values] to one query's state (out [d_v]).
void accumulate(const std::vector<double>& score, const std::vector<float>& values, int d_v,
                const AttendState& state) {
  const double old_max = *state.max;
  const double max = std::max(old_max, *std::max_element(score.begin(), score.end()));
  const double keep = std::isinf(old_max) ? 0.0 : std::exp(old_max - max);
  const size_t n_values = values.size() / score.size();
  std::vector<double> out(state.out, state.out + d_v);
  for (double& o : out) o *= keep;
  double sum = keep * *state.sum;
  for (size_t n = 0; n < score.size(); ++n) {
    const double p = std::exp(score[n] - max);
    sum += p;
    for (size_t i = 0; i < n_values; ++i) out[i] += p * values[n * n_values + i];
  }
  *state.max = float(max);
  *state.sum = float(sum);
  std::copy(out.begin(), out.end(), state.out);
}

}  // namespace

void latent_attend(const LatentRuns& tiles, const QueryBlock& queries, const AttendState& state) {
  for (int i = 0; i < queries.n_queries; ++i) {
    const float* q = queries.q + int64_t{i} * queries.d_k;
    std::vector<double> scores;
    std::vector<float> values;
    for (int64_t token = queries.begin[i]; token < queries.end[i]; ++token) {
      if (is_hidden(tiles, token)) continue;
      const std::vector<float> key = reconstruct(LatentSide::kK, tiles, token);
      double score = tiles.mean ? mean_score(*tiles.mean, i, token) : 0.0;
      for (size_t c = 0; c < key.size(); ++c) score += double{q[c]} * key[c];
      scores.push_back(score);
      const std::vector<float> value = reconstruct(LatentSide::kV, tiles, token);
      values.insert(values.end(), value.begin(), value.end());
    }
    if (scores.empty()) continue;
    accumulate(scores, values, queries.d_v,
               {state.max + i, state.sum + i, state.out + int64_t{i} * queries.d_v});
  }
}

}  // namespace lowkey::simd::scalar
