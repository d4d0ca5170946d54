// Powers of two between 1 and 2.
#pragma once

namespace lowkey::simd::wide {
namespace {

/// 2^f within 7.5e-5 of it, 0 <= f <= 1 (minimax polynomial of degree 3): a step of the largest
/// weights in 14 bits, with which it is rounded anyway.
template <class Ops>
[[gnu::always_inline]] inline typename Ops::Float exp2_fraction(typename Ops::Float f) {
  using Float = typename Ops::Float;
  Float y(0x1.3f96a4p-4f);
  y = Ops::mul_add(y, f, Float(0x1.cefc4cp-3f));
  y = Ops::mul_add(y, f, Float(0x1.64444cp-1f));
  return Ops::mul_add(y, f, Float(0x1.fff632p-1f));
}

}  // namespace
}  // namespace lowkey::simd::wide
