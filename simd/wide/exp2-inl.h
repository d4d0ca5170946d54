// Powers of two between 1 and 2.
#pragma once

namespace lowkey::simd::wide {
namespace {

/// What 2^x is for.
enum class Exp2 { kScale, kWeight };

/// 2^f, 0 <= f <= 1, by a minimax polynomial: within 3e-6 (degree 4), or for weights, which are
/// rounded to 14 bits, within 7.5e-5 (degree 3).
template <class Ops, Exp2 kUse>
[[gnu::always_inline]] inline typename Ops::Float exp2_fraction(typename Ops::Float f) {
  using Float = typename Ops::Float;
  if constexpr (kUse == Exp2::kWeight) {
    Float y(0x1.3f96a4p-4f);
    y = Ops::mul_add(y, f, Float(0x1.cefc4cp-3f));
    y = Ops::mul_add(y, f, Float(0x1.64444cp-1f));
    return Ops::mul_add(y, f, Float(0x1.fff632p-1f));
  }
  Float y(0x1.bba6cep-7f);
  y = Ops::mul_add(y, f, Float(0x1.a9fe56p-5f));
  y = Ops::mul_add(y, f, Float(0x1.ee7d1p-3f));
  y = Ops::mul_add(y, f, Float(0x1.62d136p-1f));
  return Ops::mul_add(y, f, Float(0x1.00002cp+0f));
}

}  // namespace
}  // namespace lowkey::simd::wide
