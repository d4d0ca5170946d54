// The only door to oneTBB: many uneven pieces of work, as calibration has.
#pragma once

#include <cstdint>

#include "base/function_ref.h"

namespace lowkey {

/// Calls body(i) for every i in [0, n) on at most `n_threads` threads, in any order.
/// Each i must write only its own results: then the outcome does not depend on the thread count.
void for_each_task(int n_threads, int64_t n, FunctionRef<void(int64_t i)> body);

}  // namespace lowkey
