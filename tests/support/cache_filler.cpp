#include "tests/support/cache_filler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace lowkey::testing {

models::ModelConfig AttendProblem::config() const {
  models::ModelConfig config;
  config.n_layers = 1;
  config.n_heads = n_kv_heads * group;
  config.n_kv_heads = n_kv_heads;
  config.head_dim = head_dim;
  config.rope.n_rot = n_rot;
  return config;
}

void randomise(AttendProblem& p, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  const size_t n_kv = size_t(p.n_tokens * p.n_kv_heads * p.head_dim);
  p.q.resize(n_kv * size_t(p.group));
  p.k.resize(n_kv);
  p.v.resize(n_kv);
  for (float& x : p.q) x = normal(random);
  for (float& x : p.k) x = normal(random);
  for (float& x : p.v) x = 1.0f + normal(random);
}

std::vector<float> attend_all(const engine::Context& context, const AttendProblem& problem,
                              engine::KvCache& cache, int n_batch, int n_steps) {
  AttendProblem p = problem;  // the cache carries rows into its space in place
  const int64_t n_kv = p.n_kv_heads * p.head_dim, n_q = n_kv * p.group;
  std::vector<float> out(p.q.size());
  engine::AttendScratch scratch;
  engine::RopeTable rope(p.config().rope);
  rope.reserve(p.n_tokens);
  const int64_t n_in_blocks = p.n_tokens - n_steps;
  for (int64_t t = 0; t < p.n_tokens;) {
    const int64_t n = t < n_in_blocks ? std::min<int64_t>(n_batch, n_in_blocks - t) : 1;
    const Status status = cache.begin_block(int(n));
    EXPECT_TRUE(status.ok()) << status.error().message();
    if (!status.ok()) return {};
    const auto k = matrix(p.k.data() + t * n_kv, n, n_kv);
    const auto v = matrix(p.v.data() + t * n_kv, n, n_kv);
    engine::attend(context, p.shape(),
                   {&cache,
                    &rope,
                    0,
                    matrix(p.q.data() + t * n_q, n, n_q),
                    matrix(out.data() + t * n_q, n, n_q),
                    {k, v}},
                   scratch);
    cache.retain_recent(context, 0, k, v);
    cache.commit();
    t += n;
  }
  return out;
}

}  // namespace lowkey::testing
