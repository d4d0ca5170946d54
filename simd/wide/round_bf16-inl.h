// Rounding to bf16: a plain loop, which compilers turn into the set's vectors.
#pragma once

#include <cstdint>

#include "base/half.h"

namespace lowkey::simd::wide {
namespace {

inline void round_bf16(const float* x, int64_t n, uint16_t* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = f32_to_bf16(x[i]);
}

}  // namespace
}  // namespace lowkey::simd::wide
