// Plain attention on reconstructed latents, in double.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {
namespace {

/// Latents of tokens [range.begin, range.end) of a run's part: [range.size(), plan.n_coords].
std::vector<float> reconstruct(LatentSide side, const LatentPlan& plan, const KvRun& run,
                               Range range) {
  std::vector<float> z(size_t(range.size() * plan.n_coords));
  const std::byte* part = side == LatentSide::kK ? run.k : run.v;
  for (int64_t n = range.begin; n < range.end && plan.n_coords > 0; ++n) {
    latent_decode(side, plan, part + n / kTileTokens * run.tile_stride, int(n % kTileTokens),
                  z.data() + (n - range.begin) * plan.n_coords);
  }
  return z;
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

void latent_attend(const LatentPlan& k, const LatentPlan& v, const KvRun& run,
                   const QueryBlock& queries, const AttendState& state) {
  for (int i = 0; i < queries.n_queries; ++i) {
    const Range range{queries.begin[i], queries.end[i]};
    if (range.size() <= 0) continue;
    const std::vector<float> keys = reconstruct(LatentSide::kK, k, run, range);
    const std::vector<float> values = reconstruct(LatentSide::kV, v, run, range);
    const float* q = queries.q + int64_t{i} * queries.d_k;
    std::vector<double> score(size_t(range.size()), 0.0);
    for (size_t n = 0; n < score.size(); ++n) {
      const float* key = keys.data() + n * size_t(k.n_coords);
      for (int c = 0; c < k.n_coords; ++c) score[n] += double{q[c]} * key[c];
    }
    accumulate(score, values, queries.d_v,
               {state.max + i, state.sum + i, state.out + int64_t{i} * queries.d_v});
  }
}

}  // namespace lowkey::simd::scalar
