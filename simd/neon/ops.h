// 128-bit ARM with the int8 dot product.
// Contracts of the ops: simd/kernel_set.h.
#pragma once

#include "simd/kernel_set.h"

namespace lowkey::simd::neon {

LK_FOR_EACH_OP(LK_DECLARE_OP)

}  // namespace lowkey::simd::neon
