// 512-bit x86 with VNNI.
// Contracts of the ops: simd/kernel_set.h.
#pragma once

#include "simd/kernel_set.h"

namespace lowkey::simd::avx512 {

LK_FOR_EACH_OP(LK_DECLARE_OP)

}  // namespace lowkey::simd::avx512
