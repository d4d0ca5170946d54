// Rotary positions (Su et al. 2021, eq. 34), both orders of pairs. Contract: simd/kernel_set.h.
#pragma once

#include "base/view.h"
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

// Pairs whose angles are laid out at a time.
constexpr int64_t kRopePairs = 64;

/// Pairs (2 i, 2 i + 1) of all heads: x times cosines plus the neighbours times sines.
template <class Arch>
inline void rope_neighbours(MatrixView<float> heads, const float* cosine, const float* sine) {
  alignas(64) float cosines[2 * kRopePairs], sines[2 * kRopePairs];
  const int64_t n_pairs = heads.cols / 2;
  for (int64_t i = 0; i < n_pairs; ++i) {
    cosines[2 * i] = cosines[2 * i + 1] = cosine[i];
    sines[2 * i] = -sine[i];
    sines[2 * i + 1] = sine[i];
  }
  for (int64_t head = 0; head < heads.rows; ++head) {
    float* x = heads.row(head);
    const int64_t done = for_full_vectors<Arch>(heads.cols, [&](int64_t at) {
      const Vec<Arch> own = load<Arch>(x + at), other = Lanes<Arch>::swap_neighbours(own);
      const Vec<Arch> turned = other * Vec<Arch>::load_aligned(sines + at);
      mul_add<Arch>(own, Vec<Arch>::load_aligned(cosines + at), turned).store_unaligned(x + at);
    });
    for (int64_t i = done / 2; i < n_pairs; ++i) {
      rotate<Arch>(x[2 * i], x[2 * i + 1], cosine[i], sine[i]);
    }
  }
}

template <class Arch>
inline void rope(float* x, int64_t n_heads, int64_t d, const float* cos_sin, int64_t n_rot,
                 bool neighbours) {
  const int64_t n_pairs = n_rot / 2;
  const float* sine = cos_sin + n_pairs;
  if (!neighbours) {
    for (int64_t head = 0; head < n_heads; ++head) {
      rope_halves<Arch>(x + head * d, cos_sin, sine, n_pairs);
    }
    return;
  }
  for (int64_t i = 0; i < n_pairs; i += kRopePairs) {
    const int64_t n = n_pairs - i < kRopePairs ? n_pairs - i : kRopePairs;
    rope_neighbours<Arch>({x + 2 * i, n_heads, 2 * n, d}, cos_sin + i, sine + i);
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
