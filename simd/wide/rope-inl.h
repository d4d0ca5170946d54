// Rotary positions (Su et al. 2021, eq. 34), both orders of pairs. Contract: simd/kernel_set.h.
#pragma once

#include "simd/wide/lanes.h"

namespace lowkey::simd::wide {
namespace {

template <class Arch>
inline void rotate(float& a, float& b, float cosine, float sine) {
  const float old_a = a;
  a = old_a * cosine - b * sine;
  b = old_a * sine + b * cosine;
}

/// Pairs (i, i + n_pairs).
template <class Arch>
inline void rope_halves(float* x, const float* cosine, const float* sine, int64_t n_pairs) {
  float* y = x + n_pairs;
  int64_t i = for_full_vectors<Arch>(n_pairs, [&](int64_t at) {
    const Vec<Arch> a = load<Arch>(x + at), b = load<Arch>(y + at);
    const Vec<Arch> c = load<Arch>(cosine + at), s = load<Arch>(sine + at);
    mul_add<Arch>(a, c, -(b * s)).store_unaligned(x + at);
    mul_add<Arch>(a, s, b * c).store_unaligned(y + at);
  });
  for (; i < n_pairs; ++i) rotate<Arch>(x[i], y[i], cosine[i], sine[i]);
}

/// Pairs (2 i, 2 i + 1): the compiler's own shuffles serve.
template <class Arch>
inline void rope_neighbours(float* x, const float* cosine, const float* sine, int64_t n_pairs) {
  for (int64_t i = 0; i < n_pairs; ++i) rotate<Arch>(x[2 * i], x[2 * i + 1], cosine[i], sine[i]);
}

template <class Arch>
inline void rope(float* x, int64_t n_heads, int64_t d, const float* cos_sin, int64_t n_rot,
                 bool neighbours) {
  const int64_t n_pairs = n_rot / 2;
  const float* sine = cos_sin + n_pairs;
  for (int64_t head = 0; head < n_heads; ++head) {
    float* v = x + head * d;
    if (neighbours) {
      rope_neighbours<Arch>(v, cos_sin, sine, n_pairs);
    } else {
      rope_halves<Arch>(v, cos_sin, sine, n_pairs);
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
