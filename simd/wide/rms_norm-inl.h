// Root mean square normalisation (Zhang and Sennrich 2019, eq. 4). Contract: simd/kernel_set.h.
#pragma once

#include <cmath>

#include "simd/wide/dot-inl.h"

namespace lowkey::simd::wide {
namespace {

template <class Arch>
inline void rms_norm(const float* x, const float* weight, int64_t n, float eps, float* out) {
  const float factor = 1 / std::sqrt(dot<Arch>(x, x, n) / float(n) + eps);
  const Vec<Arch> scale(factor);
  int64_t i = for_full_vectors<Arch>(n, [&](int64_t at) {
    (load<Arch>(x + at) * scale * load<Arch>(weight + at)).store_unaligned(out + at);
  });
  for (; i < n; ++i) out[i] = x[i] * factor * weight[i];
}

}  // namespace
}  // namespace lowkey::simd::wide
