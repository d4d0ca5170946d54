// Sixteen results of one panel and one token to their places, the padding rows left out.
#pragma once

#include <algorithm>

#include "simd/kernel_set.h"

namespace lowkey::simd::wide {
namespace {

inline void write_rows(const float (&sums)[kPanelRows], const MatmulOut& out, int64_t t,
                       int64_t first_row, int64_t n_rows) {
  float* y = out.y + t * out.stride + first_row;
  const int64_t n = std::min<int64_t>(kPanelRows, n_rows - first_row);
  for (int64_t r = 0; r < n; ++r) y[r] = out.accumulate ? y[r] + sums[r] : sums[r];
}

}  // namespace
}  // namespace lowkey::simd::wide
