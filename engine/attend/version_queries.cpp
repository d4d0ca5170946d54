#include "engine/attend/version_queries.h"

#include <algorithm>
#include <cmath>

#include "engine/attend/merge.h"

namespace lowkey::engine {

simd::QueryBlock VersionQueries::enter(const Context& context, const SideVersion& keys,
                                       const simd::QueryBlock& queries) {
  const int d = queries.d_k;
  n_ = queries.n_queries;
  shifts_.resize(size_t(n_));
  for (int i = 0; i < n_; ++i) {
    float dot = 0;
    for (int c = 0; c < d; ++c) dot += queries.q[i * d + c] * keys.shift[size_t(c)];
    shifts_[size_t(i)] = dot;
  }
  memory_.resize(size_t(n_) * size_t(2 + queries.d_v));
  state_ = state_of(memory_.data(), n_);
  clear_state(state_, n_, queries.d_v);
  simd::QueryBlock own = queries;
  if (keys.turn.empty()) return own;
  q_.resize(size_t(n_) * size_t(d));
  context.kernels->latent_project(keys.into.encoder(), matrix<const float>(queries.q, n_, d),
                                  matrix(q_.data(), n_, d));
  own.q = q_.data();
  return own;
}

void VersionQueries::leave(const Context& context, const SideVersion& values, int d,
                           simd::AttendState all) {
  const float* found = state_.out;
  if (!values.turn.empty()) {
    turned_.resize(size_t(n_) * size_t(d));
    context.kernels->latent_project(values.out_of.encoder(), matrix<const float>(state_.out, n_, d),
                                    matrix(turned_.data(), n_, d));
    found = turned_.data();
  }
  for (int i = 0; i < n_; ++i) {
    if (!(state_.sum[i] > 0.0f)) continue;  // saw nothing here
    const float here = state_.max[i] + shifts_[size_t(i)], top = std::max(all.max[i], here);
    const float old_weight = std::exp(all.max[i] - top), weight = std::exp(here - top);
    all.max[i] = top;
    all.sum[i] = old_weight * all.sum[i] + weight * state_.sum[i];
    for (int c = 0; c < d; ++c) {
      const float value = found[i * d + c] + state_.sum[i] * values.shift[size_t(c)];
      all.out[i * d + c] = old_weight * all.out[i * d + c] + weight * value;
    }
  }
}

}  // namespace lowkey::engine
