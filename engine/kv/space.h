// The coordinates in which a layer's keys and values are cached. Queries are carried into the same
// space and outputs back out of it, so attention itself never knows which space it works in.
#pragma once

#include <memory>

#include "base/view.h"
#include "engine/context.h"

namespace lowkey::engine {

class KvSpace {
 public:
  virtual ~KvSpace() = default;
  // All in place, rows of one layer, heads side by side in a row.
  virtual void enter(const Context& context, int layer, MatrixView<float> k,
                     MatrixView<float> v) const = 0;
  virtual void queries(const Context& context, int layer, MatrixView<float> q) const = 0;
  virtual void outputs(const Context& context, int layer, MatrixView<float> o) const = 0;
  /// outputs() of a single row's heads that share KV head `head`, o [group, d], by the calling
  /// thread alone.
  virtual void output_head(const Context& context, int layer, int head,
                           MatrixView<float> o) const = 0;
  /// Asks memory for what output_head() reads of a head.
  virtual void ask_outputs(int /*layer*/, int /*head*/) const {}
};

/// Every head turned by an orthonormal Walsh-Hadamard matrix: spreads outliers over a block.
std::unique_ptr<KvSpace> hadamard_space(int head_dim);

}  // namespace lowkey::engine
