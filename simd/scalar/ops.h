// The oracle: plain loops, sums in double. Shares no code with the fast sets.
// Contracts of the ops: simd/kernel_set.h.
#pragma once

#include "simd/kernel_set.h"

namespace lowkey::simd::scalar {

LK_FOR_EACH_OP(LK_DECLARE_OP)

}  // namespace lowkey::simd::scalar
