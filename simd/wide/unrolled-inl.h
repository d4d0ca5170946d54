// Loops of a fixed length, unrolled before the compiler chooses registers.
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

}  // namespace
}  // namespace lowkey::simd::wide
