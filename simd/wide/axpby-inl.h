// y = a x + b y. Contract: simd/kernel_set.h.
#pragma once

#include "simd/wide/lanes.h"

namespace lowkey::simd::wide {
namespace {

/// y = of(x, y) for full vectors, and for what is left over.
template <class Arch, class Of>
inline void replace(const float* x, float* y, int64_t n, Of of) {
  const int64_t i = for_full_vectors<Arch>(
      n, [&](int64_t at) { of(load<Arch>(x + at), load<Arch>(y + at)).store_unaligned(y + at); });
  if (i == n) return;
  store_part<Arch>(y + i, n - i, of(load_part<Arch>(x + i, n - i), load_part<Arch>(y + i, n - i)));
}

template <class Arch>
inline void axpby(float a, const float* x, float b, float* y, int64_t n) {
  using V = Vec<Arch>;
  const V by(a), keep(b);
  if (b == 0.0f) return replace<Arch>(x, y, n, [&](V u, V) { return by * u; });
  if (b == 1.0f) return replace<Arch>(x, y, n, [&](V u, V v) { return mul_add<Arch>(by, u, v); });
  replace<Arch>(x, y, n, [&](V u, V v) { return mul_add<Arch>(by, u, keep * v); });
}

}  // namespace
}  // namespace lowkey::simd::wide
