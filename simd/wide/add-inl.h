// x += y. Contract: simd/kernel_set.h.
#pragma once

#include "simd/wide/lanes.h"

namespace lowkey::simd::wide {
namespace {

template <class Arch>
inline void add(float* x, const float* y, int64_t n) {
  int64_t i = for_full_vectors<Arch>(
      n, [&](int64_t at) { (load<Arch>(x + at) + load<Arch>(y + at)).store_unaligned(x + at); });
  for (; i < n; ++i) x[i] += y[i];
}

}  // namespace
}  // namespace lowkey::simd::wide
