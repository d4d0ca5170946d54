// 256-bit x86 with FMA and F16C.
// Contracts of the ops: simd/kernel_set.h.
#pragma once

#include "simd/kernel_set.h"

namespace lowkey::simd::avx2 {

LK_FOR_EACH_OP(LK_DECLARE_OP)

}  // namespace lowkey::simd::avx2
