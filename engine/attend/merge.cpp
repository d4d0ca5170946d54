#include "engine/attend/merge.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/ask.h"

namespace lowkey::engine {

using simd::AttendState;

AttendState state_of(float* memory, int n_queries) {
  return {memory, memory + n_queries, memory + 2 * n_queries};
}

void clear_state(const AttendState& state, int n_queries, int d) {
  std::fill_n(state.max, n_queries, -std::numeric_limits<float>::infinity());
  std::fill_n(state.sum, n_queries, 0.0f);
  std::fill_n(state.out, n_queries * d, 0.0f);
}

void merge_splits(const Context& context, const AttendShape& shape, const AttendPlan& plan,
                  const AttendTask& task, float* partials, MatrixView<float> out) {
  const int d = shape.head_dim, group = shape.group(), n = int(task.positions.size()) * group;
  const auto part = [&](int s) { return state_of(partials + s * plan.partial_floats, n); };
  // Other threads wrote some of it.
  ask_for(std::as_bytes(std::span(partials, size_t(plan.n_splits * plan.partial_floats))));
  for (int i = 0; i < n; ++i) {
    float top = -std::numeric_limits<float>::infinity(), sum = 0.0f;
    for (int s = 0; s < plan.n_splits; ++s) top = std::max(top, part(s).max[i]);
    for (int s = 0; s < plan.n_splits; ++s) {
      const AttendState own = part(s);
      float& weight = own.max[i];  // nobody needs the maximum again
      weight = weight < top ? std::exp(weight - top) : 1.0f;
      sum += weight * own.sum[i];
    }
    float* row = out.row(task.positions.begin - plan.first + i / group) +
                 (task.head * group + i % group) * d;
    for (int s = 0; s < plan.n_splits; ++s) {
      const AttendState own = part(s);
      context.kernels->axpby(own.max[i] / sum, own.out + i * d, s == 0 ? 0.0f : 1.0f, row, d);
    }
  }
}

}  // namespace lowkey::engine
