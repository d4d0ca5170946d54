// One task of attention: some queries of one KV head, over a stretch of the cached tokens.
#pragma once

#include "engine/attend/attend.h"

namespace lowkey::engine {

/// Queries of a block, and what the turned mean of the keys gives to their scores (or no rows).
struct Queries {
  MatrixView<const float> q;             // [n, n_heads * head_dim]
  MatrixView<const float> mean_weights;  // [n, n_heads * n_weights]
};

/// Fills `state` with what the task's queries see of its stretch.
void run_task(const Context& context, const AttendShape& shape, const AttendBlock& block,
              const AttendTask& task, const Queries& queries, simd::AttendState state);

}  // namespace lowkey::engine
