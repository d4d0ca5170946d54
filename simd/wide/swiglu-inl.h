// silu(gate) * up (Shazeer 2020, "GLU variants"). Contract: simd/kernel_set.h.
#pragma once

#include "simd/wide/exp-inl.h"

namespace lowkey::simd::wide {
namespace {

template <class Arch>
inline Vec<Arch> swiglu_vector(Vec<Arch> gate, Vec<Arch> up) {
  return gate / (Vec<Arch>(1.0f) + exp<Arch>(-gate)) * up;
}

template <class Arch>
inline void swiglu(const float* gate, const float* up, int64_t n, float* out) {
  const int64_t i = for_full_vectors<Arch>(n, [&](int64_t at) {
    swiglu_vector<Arch>(load<Arch>(gate + at), load<Arch>(up + at)).store_unaligned(out + at);
  });
  if (i == n) return;
  const Vec<Arch> rest =
      swiglu_vector<Arch>(load_part<Arch>(gate + i, n - i), load_part<Arch>(up + i, n - i));
  store_part<Arch>(out + i, n - i, rest);
}

}  // namespace
}  // namespace lowkey::simd::wide
