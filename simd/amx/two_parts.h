// Floats on tiles of bf16: a number of 24 bits is the sum of two of 8 within 2^-16 of it, and of
// the four products of two such sums three are kept.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace lowkey::simd::amx {
namespace {

constexpr int kTileElements = 16 * 32;  // 1 KB

/// x = hi + lo: the upper halves of both are bf16, the lower half of `lo` is to be dropped.
struct Split {
  __m512i hi, lo;

  explicit Split(__m512 x) {
    const __m512i rounded = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000));
    hi = _mm512_and_si512(rounded, _mm512_set1_epi32(int(0xffff0000)));
    lo = _mm512_castps_si512(_mm512_sub_ps(x, _mm512_castsi512_ps(hi)));
  }
};

/// The upper halves of 32 lanes in a row.
inline __m512i halves_in_row(__m512i low, __m512i high) {
  alignas(64) static constexpr uint16_t kInRow[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                                      23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                                      45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  return _mm512_permutex2var_epi16(low, _mm512_load_si512(kInRow), high);
}

/// The upper halves of two lanes side by side in each 32 bits.
inline __m512i halves_in_pairs(__m512i low, __m512i high) {
  return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(low, 16), high);
}

/// One tile, or rows of one `stride` elements apart, in both parts.
struct TileParts {
  const uint16_t *hi, *lo;
  int64_t stride = 0;
};

/// Numbers as tiles, in two parts.
template <int kN>
struct TwoParts {
  alignas(64) uint16_t hi[kN];
  alignas(64) uint16_t lo[kN];

  TileParts at(int64_t i, int64_t stride = 0) const { return {hi + i, lo + i, stride}; }

  /// 32 numbers as a row of a tile of queries or weights.
  void store_row(int64_t at, __m512 low, __m512 high) {
    const Split a(low), b(high);
    _mm512_store_si512(hi + at, halves_in_row(a.hi, b.hi));
    _mm512_store_si512(lo + at, halves_in_row(a.lo, b.lo));
  }
  /// Two rows of 16 numbers, which are summed over, as a row of a tile of keys or values.
  void store_pair(int64_t at, __m512 first, __m512 second) {
    const Split a(first), b(second);
    _mm512_store_si512(hi + at, halves_in_pairs(a.hi, b.hi));
    _mm512_store_si512(lo + at, halves_in_pairs(a.lo, b.lo));
  }
};

/// Adds the products of rows with one or two tiles to a unit's sums.
template <int kGroups, int kPanels, class Unit>
void multiply_parts(Unit& unit, const TileParts& rows, const TileParts& w0, const TileParts& w1) {
  unit.template load_blocks<kPanels>(w0.hi, w1.hi);
  unit.template load_tokens<kGroups>(rows.lo, rows.stride);
  unit.template multiply<kGroups, kPanels>();
  unit.template load_tokens<kGroups>(rows.hi, rows.stride);
  unit.template multiply<kGroups, kPanels>();
  unit.template load_blocks<kPanels>(w0.lo, w1.lo);
  unit.template multiply<kGroups, kPanels>();
}

}  // namespace
}  // namespace lowkey::simd::amx
