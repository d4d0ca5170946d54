// Random keys, values and queries fed to a cache layer by hand, as the decoder does.
#pragma once

#include <vector>

#include "engine/attend/attend.h"
#include "tests/support/plain_attention.h"

namespace lowkey::testing {

struct AttendProblem {
  int n_kv_heads = 1;
  int group = 1;
  int head_dim = 32;
  int n_tokens = 0;
  int n_rot = 0;            // for codes whose means turn
  std::vector<float> q;     // [n_tokens, n_kv_heads * group * head_dim]
  std::vector<float> k, v;  // [n_tokens, n_kv_heads * head_dim]

  engine::AttendShape shape() const { return {n_kv_heads * group, n_kv_heads, head_dim}; }
  models::ModelConfig config() const;
  const float* key(int64_t t, int head) const {
    return &k[size_t((t * n_kv_heads + head) * head_dim)];
  }
  const float* value(int64_t t, int head) const {
    return &v[size_t((t * n_kv_heads + head) * head_dim)];
  }
};

/// Fills q, k, v with normally distributed numbers (values get an offset of 1).
void randomise(AttendProblem& problem, uint64_t seed);

/// Feeds everything in blocks of `n_batch` (the last `n_steps` tokens one by one) and returns
/// what attention gives, laid out as q.
std::vector<float> attend_all(const engine::Context& context, const AttendProblem& problem,
                              engine::KvCache& cache, int n_batch, int n_steps);

}  // namespace lowkey::testing
