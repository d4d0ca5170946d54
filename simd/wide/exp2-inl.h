// Powers of two between 1 and 2.
#pragma once

namespace lowkey::simd::wide {
namespace {

/// 2^f within 3e-6, 0 <= f <= 1 (minimax polynomial of degree 4).
template <class Ops>
[[gnu::always_inline]] inline typename Ops::Float exp2_fraction(typename Ops::Float f) {
  using Float = typename Ops::Float;
  Float y(0x1.bba6cep-7f);
  y = Ops::mul_add(y, f, Float(0x1.a9fe56p-5f));
  y = Ops::mul_add(y, f, Float(0x1.ee7d1p-3f));
  y = Ops::mul_add(y, f, Float(0x1.62d136p-1f));
  return Ops::mul_add(y, f, Float(0x1.00002cp+0f));
}

}  // namespace
}  // namespace lowkey::simd::wide
