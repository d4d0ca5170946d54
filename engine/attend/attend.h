// Attention of a block of queries over everything a layer has cached.
#pragma once

#include <vector>

#include "base/view.h"
#include "engine/context.h"
#include "engine/kv/cache.h"

namespace lowkey::engine {

/// Dimensions that attention needs, and memory that it reuses.
struct AttendShape {
  int n_heads = 0;
  int n_kv_heads = 0;
  int head_dim = 0;
  int group() const { return n_heads / n_kv_heads; }
};

class AttendScratch {
 public:
  std::vector<float> partials;      // of all tasks: max, sum, out
  std::vector<float> mean_weights;  // of all queries, where the mean of keys turns
};

/// A block of queries of one layer, in work in `cache`.
struct AttendBlock {
  const KvCache& cache;
  const RopeTable& rope;
  int layer = 0;
  MatrixView<float> q;    // [n, n_heads * head_dim], carried into the cache's space in place
  MatrixView<float> out;  // [n, n_heads * head_dim]
};

/// out = softmax(q K^T / sqrt(head_dim)) V: row i of q stands at position cache.n_tokens() + i and
/// sees everything up to itself. The result does not depend on the thread count.
void attend(const Context& context, const AttendShape& shape, const AttendBlock& block,
            AttendScratch& scratch);

}  // namespace lowkey::engine
