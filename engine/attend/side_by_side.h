// Work of several sequences in one step: small ones at the same time, each on one thread, large
// ones one after another on all threads. Both ways give the same numbers.
#pragma once

#include "engine/context.h"
#include "simd/kv_tile.h"

namespace lowkey::engine {

/// Calls work(context, i) for all i in [0, n); rows(i): its rows, by which its size is judged.
template <class Rows, class Work>
void side_by_side(const Context& context, size_t n, Rows rows, Work work) {
  const auto small = [&](size_t i) { return n > 1 && rows(i) <= simd::kTileTokens; };
  int64_t n_small = 0;
  for (size_t i = 0; i < n; ++i) {
    if (small(i)) {
      ++n_small;
    } else {
      work(context, i);
    }
  }
  if (n_small == 0) return;
  Context alone = context;
  alone.team = &caller_alone();
  context.team->parallel_for(int64_t(n), 1, [&](Range part, int) {
    for (size_t i = size_t(part.begin); i < size_t(part.end); ++i) {
      if (small(i)) work(alone, i);
    }
  });
}

}  // namespace lowkey::engine
