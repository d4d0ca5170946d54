// Where the upper halves of weights round up.
#pragma once

#include <array>
#include <cstdint>

namespace lowkey::simd::wide {
namespace {

/// Odd numbers below 128, each once in 64 tokens, neighbours far apart (bits of the index
/// reversed).
alignas(64) constexpr auto kRoundingThresholds = [] {
  std::array<uint16_t, 64> table{};
  for (unsigned i = 0; i < 64; ++i) {
    unsigned reversed = 0;
    for (unsigned bit = 0; bit < 6; ++bit) reversed |= (i >> bit & 1) << (5 - bit);
    table[i] = uint16_t(2 * reversed + 1);
  }
  return table;
}();

}  // namespace
}  // namespace lowkey::simd::wide
