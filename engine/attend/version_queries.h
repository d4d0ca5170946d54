// Queries of tokens whose code is a version of its own: carried into its space, and what they found
// there carried back.
#pragma once

#include <vector>

#include "engine/context.h"
#include "engine/kv/adapt.h"
#include "simd/kernel_set.h"

namespace lowkey::engine {

/// One thread's; its memory is reused.
class VersionQueries {
 public:
  /// The same queries, turned, with an empty state of their own.
  simd::QueryBlock enter(const Context& context, const SideVersion& keys,
                         const simd::QueryBlock& queries);
  simd::AttendState state() { return state_; }
  /// Adds what the state now holds to `all`: scores get q^T shift, values their turn and shift.
  void leave(const Context& context, const SideVersion& values, int d, simd::AttendState all);

 private:
  int n_ = 0;
  simd::AttendState state_;
  std::vector<float> q_, shifts_, memory_, turned_;
};

}  // namespace lowkey::engine
