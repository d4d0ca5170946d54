// Dot product. Contract: simd/kernel_set.h.
#pragma once

#include "simd/wide/lanes.h"

namespace lowkey::simd::wide {
namespace {

/// Four sums in turn, because one would wait for its own last addition.
template <class Arch>
inline float dot(const float* x, const float* y, int64_t n) {
  constexpr int64_t kW = kLanes<Arch>;
  Vec<Arch> sum[4] = {Vec<Arch>(0.0f), Vec<Arch>(0.0f), Vec<Arch>(0.0f), Vec<Arch>(0.0f)};
  int64_t i = 0;
  for (; i + 4 * kW <= n; i += 4 * kW) {
    for (int j = 0; j < 4; ++j) {
      sum[j] = mul_add<Arch>(load<Arch>(x + i + j * kW), load<Arch>(y + i + j * kW), sum[j]);
    }
  }
  for (; i + kW <= n; i += kW) {
    sum[0] = mul_add<Arch>(load<Arch>(x + i), load<Arch>(y + i), sum[0]);
  }
  if (i < n) {
    sum[1] = mul_add<Arch>(load_part<Arch>(x + i, n - i), load_part<Arch>(y + i, n - i), sum[1]);
  }
  return Lanes<Arch>::sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

}  // namespace
}  // namespace lowkey::simd::wide
