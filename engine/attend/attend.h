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
  std::vector<float> partials;  // of all tasks: max, sum, out
};

/// out [n, n_heads * head_dim] = softmax(q K^T / sqrt(head_dim)) V for the block that `cache` has
/// in work: row i of q stands at position cache.n_tokens() + i and sees everything up to itself.
/// q is carried into the cache's space in place. The result does not depend on the thread count.
void attend(const Context& context, const AttendShape& shape, const KvCache& cache, int layer,
            MatrixView<float> q, MatrixView<float> out, AttendScratch& scratch);

}  // namespace lowkey::engine
