// Softmax in place, and the logarithm of its denominator. Contract: simd/kernel_set.h.
#pragma once

#include <cmath>
#include <limits>

#include "simd/wide/exp-inl.h"

namespace lowkey::simd::wide {
namespace {

template <class Arch>
inline float maximum(const float* x, int64_t n) {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  Vec<Arch> max(kLowest);
  const int64_t i =
      for_full_vectors<Arch>(n, [&](int64_t at) { max = xsimd::max(max, load<Arch>(x + at)); });
  if (i < n) max = xsimd::max(max, load_part<Arch>(x + i, n - i, kLowest));
  return Lanes<Arch>::max(max);
}

template <class Arch>
inline float softmax(float* x, int64_t n) {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  const float max = maximum<Arch>(x, n);
  const Vec<Arch> offset(max);
  Vec<Arch> sum(0.0f);
  double total = 0;
  int64_t flushed = 0;
  const int64_t i = for_full_vectors<Arch>(n, [&](int64_t at) {
    const Vec<Arch> weight = exp<Arch>(load<Arch>(x + at) - offset);
    weight.store_unaligned(x + at);
    sum += weight;
    // Vocabularies are long: move the float sums to a double before they lose digits.
    if (at - flushed < 64 * kLanes<Arch>) return;
    total += Lanes<Arch>::sum(sum);
    sum = Vec<Arch>(0.0f);
    flushed = at;
  });
  if (i < n) {
    const Vec<Arch> weight = exp<Arch>(load_part<Arch>(x + i, n - i, kLowest) - offset);
    store_part<Arch>(x + i, n - i, weight);
    sum += weight;
  }
  total += Lanes<Arch>::sum(sum);
  const float factor = float(1 / total);
  int64_t j = for_full_vectors<Arch>(
      n, [&](int64_t at) { (load<Arch>(x + at) * Vec<Arch>(factor)).store_unaligned(x + at); });
  for (; j < n; ++j) x[j] *= factor;
  return float(double(max) + std::log(total));
}

}  // namespace
}  // namespace lowkey::simd::wide
