// Fast Walsh-Hadamard transform, natural order, orthonormal. Contract: simd/kernel_set.h.
#pragma once

#include <cmath>

#include "simd/wide/lanes.h"

namespace lowkey::simd::wide {
namespace {

/// One level: (a, b) -> (a + b, a - b) for partners `half` apart.
template <class Arch>
inline void butterflies(float* x, int64_t d, int64_t half) {
  for (int64_t block = 0; block < d; block += 2 * half) {
    float* low = x + block;
    float* high = low + half;
    int64_t i = for_full_vectors<Arch>(half, [&](int64_t at) {
      const Vec<Arch> a = load<Arch>(low + at), b = load<Arch>(high + at);
      (a + b).store_unaligned(low + at);
      (a - b).store_unaligned(high + at);
    });
    for (; i < half; ++i) {
      const float a = low[i], b = high[i];
      low[i] = a + b;
      high[i] = a - b;
    }
  }
}

template <class Arch>
inline void hadamard(float* x, int64_t n_heads, int64_t d) {
  const float factor = 1 / std::sqrt(float(d));
  for (int64_t head = 0; head < n_heads; ++head) {
    float* v = x + head * d;
    for (int64_t half = 1; half < d; half *= 2) butterflies<Arch>(v, d, half);
    int64_t i = for_full_vectors<Arch>(
        d, [&](int64_t at) { (load<Arch>(v + at) * Vec<Arch>(factor)).store_unaligned(v + at); });
    for (; i < d; ++i) v[i] *= factor;
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
