// Attention of a block of queries over everything a layer has cached.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "base/view.h"
#include "engine/attend/split.h"
#include "engine/context.h"
#include "engine/kv/cache.h"

namespace lowkey::engine {

/// A block of queries of one layer, in work in `cache`.
struct AttendBlock {
  KvCache* cache = nullptr;
  const RopeTable* rope = nullptr;
  int layer = 0;
  MatrixView<float> q;       // [n, n_heads * head_dim], carried into the cache's space in place
  MatrixView<float> out;     // [n, n_heads * head_dim]
  KvCache::KeysValues rows;  // of the block, to be written first; none: they have been

  /// Position of row 0 of q: the queries are of the last rows, of all if these are written.
  int64_t first() const { return cache->n_tokens() + std::max<int64_t>(rows.k.rows - q.rows, 0); }
};

/// What a block's attention needs on the way.
struct AttendPart {
  AttendPlan plan;
  int64_t first_float = 0;          // of its tasks' partials
  int64_t first_group = 0;          // of its tasks that differ in their tokens alone
  std::vector<float> mean_weights;  // of all queries, where the mean of keys turns
};

/// Memory that attention reuses.
struct AttendScratch {
  std::vector<AttendBlock> blocks;
  std::vector<AttendPart> parts;     // of the blocks
  std::vector<AttendTask> tasks;     // of all blocks, those of a memory node side by side
  std::vector<int64_t> bounds;       // of the nodes in them
  std::vector<float> partials;       // of all tasks: max, sum, out
  std::vector<int> left;             // of every group of tasks: those not done
  std::vector<int> single, several;  // blocks whose rows enter the cache piece by piece, or whole
};

/// out = softmax(q K^T / sqrt(head_dim)) V: row i of q stands at position block.first() + i and
/// sees everything up to itself. Blocks are of different caches; the tasks of all of them are
/// shared out among the threads together. What a block gets depends neither on the others nor on
/// the thread count. `later`: what the threads will read when this is done, in the order of their
/// shares; they ask for it on the way, where attention leaves memory time to spare (latents).
void attend(const Context& context, const AttendShape& shape, std::span<const AttendBlock> blocks,
            AttendScratch& scratch, std::span<const std::byte> later = {});
inline void attend(const Context& context, const AttendShape& shape, const AttendBlock& block,
                   AttendScratch& scratch) {
  attend(context, shape, std::span(&block, 1), scratch);
}

}  // namespace lowkey::engine
