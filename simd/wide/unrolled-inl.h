// Loops of a length that the compiler knows, unrolled before it chooses registers.
#pragma once

#include <type_traits>
#include <utility>

namespace lowkey::simd::wide {
namespace {

/// Calls f with the constants 0 .. kN - 1. Unlike a loop it is unrolled before the compiler decides
/// what lives in registers, so that arrays of sums do.
template <int kN, class F>
[[gnu::always_inline]] inline void unrolled(F f) {
  [&]<int... kI>(std::integer_sequence<int, kI...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, kI>()), ...);
  }
  (std::make_integer_sequence<int, kN>());
}

/// Calls f.operator()<n>() with n, 1 to 4, as a constant.
template <class F>
void with_count(int n, F f) {
  switch (n) {
    case 1:
      return f.template operator()<1>();
    case 2:
      return f.template operator()<2>();
    case 3:
      return f.template operator()<3>();
    default:
      return f.template operator()<4>();
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
