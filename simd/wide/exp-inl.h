// exp for vectors: 2^n * p(r) with n = round(x / ln 2), |r| <= ln(2) / 2.
#pragma once

#include "simd/wide/lanes.h"

namespace lowkey::simd::wide {
namespace {

/// Relative error below 2e-7. Arguments below -87.3 give 0 (no subnormals), so do -inf; arguments
/// above 88 give exp(88). NaN stays NaN.
template <class Arch>
inline Vec<Arch> exp(Vec<Arch> x) {
  using V = Vec<Arch>;
  using Int = xsimd::batch<int32_t, Arch>;
  const V lowest(-87.336540f), highest(88.0f);
  // min and max return their second argument where one is NaN.
  const V bounded = xsimd::min(highest, xsimd::max(lowest, x));
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
  const V magic(12582912.0f);
  const V shifted = mul_add<Arch>(bounded, V(1.44269504f), magic);
  const V n = shifted - magic;
  const V r = mul_add<Arch>(n, V(-1.42860682e-6f), mul_add<Arch>(n, V(-0.693145752f), bounded));
  // Minimax polynomial of degree 6 on [-ln(2)/2, ln(2)/2] (Cephes expf).
  V p = mul_add<Arch>(r, V(1.9875691500e-4f), V(1.3981999507e-3f));
  p = mul_add<Arch>(p, r, V(8.3334519073e-3f));
  p = mul_add<Arch>(p, r, V(4.1665795894e-2f));
  p = mul_add<Arch>(p, r, V(1.6666665459e-1f));
  p = mul_add<Arch>(p, r, V(5.0000001201e-1f));
  p = mul_add<Arch>(p, r * r, r + V(1.0f));
  const Int exponent = xsimd::bitwise_cast<Int>(shifted) << 23;
  const V result = xsimd::bitwise_cast<V>(xsimd::bitwise_cast<Int>(p) + exponent);
  return xsimd::select(x < lowest, V(0.0f), result);
}

}  // namespace
}  // namespace lowkey::simd::wide
