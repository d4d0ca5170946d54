// How the attention of a block is cut into tasks: by KV head, by queries, and, when there are few
// queries, by cached tokens, so that two threads share one long sequence. The cut depends on the
// lengths, and beyond 4,096 tokens on whether several memory nodes own them, never on the thread
// count: the order of float sums stays the same.
#pragma once

#include <algorithm>
#include <limits>
#include <span>

#include "base/view.h"
#include "engine/kv/tiles.h"
#include "simd/latent_run.h"

namespace lowkey::engine {

constexpr int kQueryTokens = 32;  // tokens of a query block
// Cached tokens per split when one block of queries stands alone. What begins and ends a split
// takes as long as 150 to 200 tokens, so a split holds as many as leave the threads enough of them.
// A short context is cut evenly and in an even number of splits, so that few threads end together;
// a very long one where its owners change, and a long one if it has several.
constexpr int kShortSplit = 1024;
constexpr int64_t kFewSplits = 4;    // up to so many are short
constexpr int64_t kEvenSplits = 16;  // up to so many are even

struct AttendTask {
  int block = 0;           // of queries, of one cache: which of those attended together
  int64_t index = 0;       // in its block's plan
  int head = 0;            // KV head
  Range positions;         // of the queries
  Range coded;             // coded tokens that this task covers
  bool with_exact = true;  // and the exact ones: the last split does
  std::span<const std::byte> later = {};  // its part of what attend() was given to ask for
};

/// Dimensions that attention needs.
struct AttendShape {
  int n_heads = 0;
  int n_kv_heads = 0;
  int head_dim = 0;
  int group() const { return n_heads / n_kv_heads; }
  int n_queries(const AttendTask& task) const { return int(task.positions.size()) * group(); }
};

struct AttendPlan {
  int n_heads = 0;
  int64_t first = 0;  // position of the first query
  int64_t n_queries = 0;
  int n_blocks = 1;                     // of queries
  int n_splits = 1;                     // of tokens
  int64_t split_tokens = kOwnedTokens;  // of each but the last
  int64_t partial_floats = 0;           // per task, kept until the last of its group ends

  int64_t n_groups() const { return int64_t{n_heads} * n_blocks; }
  int64_t n_tasks() const { return n_groups() * n_splits; }

  AttendTask task(int64_t i) const {
    const int split = int(i % n_splits);
    // Heads of the same rows side by side: whoever has these will most likely have them before and
    // after attention too.
    const int block = int(i / n_splits / n_heads);
    AttendTask task;
    task.index = i;
    task.head = int(i / n_splits % n_heads);
    task.positions = {first + int64_t{block} * kQueryTokens,
                      std::min(first + int64_t{block + 1} * kQueryTokens, first + n_queries)};
    task.with_exact = split == n_splits - 1;
    task.coded = {split * split_tokens, task.with_exact ? std::numeric_limits<int64_t>::max()
                                                        : (split + 1) * split_tokens};
    return task;
  }
};

/// Cuts n_tokens into the plan's splits.
inline void cut_tokens(int64_t n_tokens, int n_nodes, AttendPlan& plan) {
  const int64_t owned = n_tokens / kOwnedTokens, n_short = n_tokens / kShortSplit;
  if (owned >= kEvenSplits || (n_nodes > 1 && n_short >= kFewSplits)) {
    plan.n_splits = int(owned);
    return;
  }
  const int64_t wanted = round_up(std::max(owned, std::min(n_short, kFewSplits)), 2);
  plan.n_splits = int(std::max<int64_t>(wanted, 1));
  plan.split_tokens = round_up(ceil_div(n_tokens, plan.n_splits), simd::kLatentChunk);
}

/// Of n queries, the first at position `first`, whose cached tokens belong to n_nodes nodes.
inline AttendPlan plan_attention(const AttendShape& shape, int64_t first, int64_t n,
                                 int n_nodes = 1) {
  AttendPlan plan;
  plan.n_heads = shape.n_kv_heads;
  plan.first = first;
  plan.n_queries = n;
  plan.n_blocks = int(ceil_div(n, kQueryTokens));
  if (plan.n_blocks == 1) cut_tokens(first + n, n_nodes, plan);
  const int64_t n_rows = std::min<int64_t>(n, kQueryTokens) * shape.group();
  plan.partial_floats = round_up(n_rows * (2 + shape.head_dim), 16);
  return plan;
}

/// Puts tasks that read the same memory node's tokens side by side; node k's are
/// [bounds[k], bounds[k + 1]).
inline void sort_by_node(const ThreadPlan& threads, int n_kv_heads, std::vector<AttendTask>& tasks,
                         std::vector<int64_t>& bounds) {
  const std::vector<int> turns = node_turns(threads);
  const auto node_of = [&](const AttendTask& task) {
    return owner_node(turns, task.coded.begin, task.head, n_kv_heads);
  };
  std::stable_sort(tasks.begin(), tasks.end(), [&](const AttendTask& a, const AttendTask& b) {
    return node_of(a) < node_of(b);
  });
  bounds.assign(size_t(threads.n_nodes) + 1, 0);
  for (const AttendTask& task : tasks) ++bounds[size_t(node_of(task)) + 1];
  for (size_t node = 1; node < bounds.size(); ++node) bounds[node] += bounds[node - 1];
}

}  // namespace lowkey::engine
