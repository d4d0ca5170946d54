// A block of a panel, 16 rows by 32 columns, as one tile of bf16.
#pragma once

#include "simd/avx512/block_source.h"
#include "simd/avx512/isa.h"

namespace lowkey::simd::amx {
namespace {

/// One block of weights as the unit wants it: row k holds columns 2 k and 2 k + 1 of all 16 rows,
/// side by side.
using WeightTile = __m512i[16];

/// 32 columns of a panel of 16-bit floats.
template <PanelType kType>
struct FloatBlocks {
  static constexpr int64_t kRow = 2 * kPanelRows, kBytes = kBlockCols * kRow;
  static __m512 column(const std::byte* block, int i) {
    const auto* halves = reinterpret_cast<const uint16_t*>(block + i * kRow);
    return kType == PanelType::kF16 ? avx512::Isa::load_f16(halves)
                                    : avx512::Isa::load_bf16(halves);
  }
};

template <class Unit, PanelType kType>
void unpack_tile(FloatBlocks<kType> source, const std::byte* block, int, WeightTile& tile) {
  for (int k = 0; k < 16; ++k) {
    tile[k] = Unit::pairs(source.column(block, 2 * k), source.column(block, 2 * k + 1));
  }
}

template <class Unit, class Source>
void unpack_tile(Source, const std::byte* block, int offset, WeightTile& tile) {
  const avx512::CodeVectors codes = Source::codes(block);
  const __m512i byte = _mm512_set1_epi32(255);
  __m512 scale = Source::scale(block, 0), shift;
  for (int v = 0; v < 8; ++v) {
    if (v * Source::kScales % 8 == 0) {
      scale = Source::scale(block, v * Source::kScales / 8);
      // Exact: 11 bits by 8.
      shift = _mm512_mul_ps(scale, _mm512_set1_ps(float(-offset)));
      if constexpr (Source::kHasMinimum) shift = Source::minimum(block);
    }
    const auto weights = [&](__m512i code) {
      return _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(code), shift);
    };
    const __m512 w0 = weights(_mm512_and_si512(codes.v[v], byte));
    const __m512 w1 = weights(_mm512_and_si512(_mm512_srli_epi32(codes.v[v], 8), byte));
    const __m512 w2 = weights(_mm512_and_si512(_mm512_srli_epi32(codes.v[v], 16), byte));
    const __m512 w3 = weights(_mm512_srli_epi32(codes.v[v], 24));
    tile[2 * v] = Unit::pairs(w0, w1);
    tile[2 * v + 1] = Unit::pairs(w2, w3);
  }
}

}  // namespace
}  // namespace lowkey::simd::amx
