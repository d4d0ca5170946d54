// How the attention of a block is cut into tasks: by KV head, by queries, and, when there are few
// queries, by cached tokens, so that two threads share one long sequence. The cut depends on the
// lengths only, never on the thread count: the order of float sums stays the same.
#pragma once

#include <algorithm>
#include <limits>

#include "engine/attend/attend.h"

namespace lowkey::engine {

constexpr int kQueryTokens = 32;  // tokens of a query block
// Cached tokens per split when one block of queries stands alone.
constexpr int kSplitTokens = 1024;

struct AttendTask {
  int head = 0;            // KV head
  Range positions;         // of the queries
  Range coded;             // coded tokens that this task covers
  bool with_exact = true;  // and the exact ones: the last split does
};

struct AttendPlan {
  int n_heads = 0;
  int64_t first = 0;  // position of the first query
  int64_t n_queries = 0;
  int n_blocks = 1;            // of queries
  int n_splits = 1;            // of tokens
  int64_t partial_floats = 0;  // per task

  int64_t n_tasks() const { return int64_t{n_heads} * n_blocks * n_splits; }

  AttendTask task(int64_t i) const {
    const int split = int(i % n_splits), block = int(i / n_splits % n_blocks);
    AttendTask task;
    task.head = int(i / n_splits / n_blocks);
    task.positions = {first + int64_t{block} * kQueryTokens,
                      std::min(first + int64_t{block + 1} * kQueryTokens, first + n_queries)};
    task.with_exact = split == n_splits - 1;
    task.coded = {int64_t{split} * kSplitTokens, task.with_exact
                                                     ? std::numeric_limits<int64_t>::max()
                                                     : int64_t{split + 1} * kSplitTokens};
    return task;
  }
};

inline AttendPlan plan_attention(const AttendShape& shape, int64_t first, int64_t n) {
  AttendPlan plan;
  plan.n_heads = shape.n_kv_heads;
  plan.first = first;
  plan.n_queries = n;
  plan.n_blocks = int(ceil_div(n, kQueryTokens));
  if (plan.n_blocks == 1) plan.n_splits = int(std::max<int64_t>(1, (first + n) / kSplitTokens));
  const int64_t n_rows = std::min<int64_t>(n, kQueryTokens) * shape.group();
  plan.partial_floats = round_up(n_rows * (2 + shape.head_dim), 16);
  return plan;
}

}  // namespace lowkey::engine
