#include "engine/attend/merge.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lowkey::engine {

using simd::AttendState;

namespace {

/// Asks memory for all of what follows at once: other threads wrote some of it.
void ask(const float* x, int64_t n) {
  constexpr int64_t kLineFloats = 16;
  for (int64_t i = 0; i < n; i += kLineFloats) __builtin_prefetch(x + i);
}

}  // namespace

AttendState state_of(float* memory, int n_queries) {
  return {memory, memory + n_queries, memory + 2 * n_queries};
}

void clear_state(const AttendState& state, int n_queries, int d) {
  std::fill_n(state.max, n_queries, -std::numeric_limits<float>::infinity());
  std::fill_n(state.sum, n_queries, 0.0f);
  std::fill_n(state.out, n_queries * d, 0.0f);
}

void merge_splits(const AttendShape& shape, const AttendPlan& plan, const AttendTask& task,
                  const float* partials, MatrixView<float> out) {
  const int d = shape.head_dim, group = shape.group(), n = int(task.positions.size()) * group;
  ask(partials, plan.n_splits * plan.partial_floats);
  for (int i = 0; i < n; ++i) {
    const float* max = partials + i;  // of the first split; the others' lie partial_floats apart
    float top = -std::numeric_limits<float>::infinity(), sum = 0.0f;
    for (int s = 0; s < plan.n_splits; ++s) top = std::max(top, max[s * plan.partial_floats]);
    float* row = out.row(task.positions.begin - plan.first + i / group) +
                 (task.head * group + i % group) * d;
    std::fill_n(row, d, 0.0f);
    for (int s = 0; s < plan.n_splits; ++s) {
      const float* part = partials + s * plan.partial_floats;
      const float weight = part[i] < top ? std::exp(part[i] - top) : 1.0f;
      sum += weight * part[n + i];
      const float* own = part + 2 * n + i * d;
      for (int c = 0; c < d; ++c) row[c] += weight * own[c];
    }
    const float scale = 1 / sum;
    for (int c = 0; c < d; ++c) row[c] *= scale;
  }
}

}  // namespace lowkey::engine
