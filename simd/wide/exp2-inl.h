// Powers of two.
#pragma once

namespace lowkey::simd::wide {
namespace {

/// Scores are in units of log 2, so that the softmax needs no multiplication by it.
constexpr float kLog2E = 1.44269504f, kLn2 = 0.693147181f;

/// A polynomial of f, the coefficient of its highest power first.
template <class Ops, class... Rest>
[[gnu::always_inline]] inline typename Ops::Float polynomial(typename Ops::Float f, float highest,
                                                             Rest... rest) {
  using Float = typename Ops::Float;
  Float y(highest);
  ((y = Ops::mul_add(y, f, Float(rest))), ...);
  return y;
}

/// 2^f within 2.6e-6 of it, 0 <= f <= 1 (minimax polynomial of degree 4).
template <class Ops>
[[gnu::always_inline]] inline typename Ops::Float exp2_fraction_fine(typename Ops::Float f) {
  return polynomial<Ops>(f, 0x1.bb7cd4p-7f, 0x1.aa13fp-5f, 0x1.ee798ap-3f, 0x1.62d166p-1f,
                         0x1.00002cp+0f);
}

/// 2^f within 7.5e-5 of it, 0 <= f <= 1 (minimax polynomial of degree 3): a step of the largest
/// weights in 14 bits, with which it is rounded anyway.
template <class Ops>
[[gnu::always_inline]] inline typename Ops::Float exp2_fraction(typename Ops::Float f) {
  return polynomial<Ops>(f, 0x1.3f96a4p-4f, 0x1.cefc4cp-3f, 0x1.64444cp-1f, 0x1.fff632p-1f);
}

/// The same for -1/2 <= f <= 1/2.
template <class Ops>
[[gnu::always_inline]] inline typename Ops::Float exp2_centred(typename Ops::Float f) {
  return polynomial<Ops>(f, 0x1.c3f76p-5f, 0x1.f0de1ap-3f, 0x1.62f31cp-1f, 0x1.fff692p-1f);
}

}  // namespace
}  // namespace lowkey::simd::wide
