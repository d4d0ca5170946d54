// Integer matrix product on tiles of 16 tokens by 16 rows. Weights have a scale per 32 (or 16)
// columns, so each tile product is only that deep, and AVX-512 adds the scaled results up.
#pragma once

#include <algorithm>

#include "simd/avx512/block_source.h"
#include "simd/kernel_set.h"
#include "simd/wide/write_rows-inl.h"

namespace lowkey::simd::amx {
namespace {

constexpr int64_t kTokens = 16;       // of one tile
constexpr int64_t kGroupTokens = 64;  // that share one unpacking of a block

/// Sums of one panel, [kGroupTokens][16].
struct TileSums {
  alignas(64) float value[kGroupTokens][kPanelRows];
};

/// Block `b` of the tokens [first, first + n), n a multiple of 16.
struct TileInput {
  const Activations& a;
  int64_t first;
  int64_t n;
  int64_t b;
  int offset;
};

/// Tile products of one column group `g` and what scales them.
struct TileProducts {
  alignas(64) int32_t high[kTokens][kPanelRows];
  alignas(64) int32_t low[kTokens][kPanelRows];
  __m512 scale;
  __m512 minimum;
  int g;
};

template <class Source, bool kLo>
struct TileKernel {
  static constexpr int kScales = Source::kScales, kCols = kBlockCols / kScales;

  /// sums [16] of token t + i += row i of the products.
  static void add_token(const TileInput& in, int64_t t, int64_t i, const TileProducts& products,
                        float* sums) {
    const int64_t at = (in.first + t + i) * (in.a.n_cols / kBlockCols) + in.b;
    const int32_t* group_sums = in.a.sum + 2 * at;
    const int32_t q_sum = kScales == 2 ? group_sums[products.g] : group_sums[0] + group_sums[1];
    __m512i dot = _mm512_slli_epi32(_mm512_load_si512(products.high[i]), 7);
    if constexpr (kLo) dot = _mm512_add_epi32(dot, _mm512_load_si512(products.low[i]));
    dot = _mm512_sub_epi32(dot, _mm512_set1_epi32(in.offset * q_sum));
    const __m512 a_scale = _mm512_set1_ps(in.a.scale[at]);
    const __m512 part = _mm512_mul_ps(products.scale, _mm512_cvtepi32_ps(dot));
    __m512 sum = _mm512_fmadd_ps(a_scale, part, _mm512_load_ps(sums));
    if constexpr (Source::kHasMinimum) {
      const __m512 weight = _mm512_set1_ps(in.a.scale[at] * float(q_sum));
      sum = _mm512_fmadd_ps(weight, products.minimum, sum);
    }
    _mm512_store_ps(sums, sum);
  }

  template <class Tiles>
  static void multiply_block(Tiles& tiles, const std::byte* block, const TileInput& in,
                             TileSums* sums) {
    alignas(64) uint8_t codes[8][64];
    const avx512::CodeVectors vectors = Source::codes(block);
    for (int v = 0; v < 8; ++v) _mm512_store_si512(codes[v], vectors.v[v]);
    TileProducts products;
    if constexpr (Source::kHasMinimum) products.minimum = Source::minimum(block);
    for (products.g = 0; products.g < kScales; ++products.g) {
      products.scale = Source::scale(block, products.g);
      tiles.load_codes(codes[products.g * 8 / kScales], 64);
      for (int64_t t = 0; t < in.n; t += kTokens) {
        const int64_t at = (in.first + t) * in.a.n_cols + in.b * kBlockCols + products.g * kCols;
        tiles.start();
        tiles.add_hi(in.a.hi + at, in.a.n_cols);
        if (kLo) tiles.add_lo(in.a.lo + at, in.a.n_cols);
        tiles.store_hi(products.high[0]);
        if (kLo) tiles.store_lo(products.low[0]);
        for (int64_t i = 0; i < kTokens; ++i) {
          add_token(in, t, i, products, sums->value[t + i]);
        }
      }
    }
  }

  /// Panel `p` times the tokens [tokens.begin, tokens.end), at most kGroupTokens.
  template <class Tiles>
  static void run_panel(Tiles& tiles, const PanelMatrix& w, int64_t p, const Activations& a,
                        Range tokens, const MatmulOut& out) {
    TileSums sums;
    std::fill_n(sums.value[0], kGroupTokens * kPanelRows, 0.0f);
    for (int64_t b = 0; b < w.n_cols / kBlockCols; ++b) {
      const TileInput in{a, tokens.begin, tokens.size(), b, w.format.offset};
      multiply_block(tiles, w.panel(p) + b * Source::kBytes, in, &sums);
    }
    for (int64_t t = 0; t < tokens.size(); ++t) {
      wide::write_rows(sums.value[t], out, tokens.begin + t, p * kPanelRows, w.n_rows);
    }
  }

  template <class Tiles>
  static void run(const PanelMatrix& w, Range panels, const Activations& a, int64_t n_tokens,
                  const MatmulOut& out) {
    Tiles tiles(kCols);
    for (int64_t first = 0; first < n_tokens; first += kGroupTokens) {
      const Range tokens{first, std::min(first + kGroupTokens, n_tokens)};
      for (int64_t p = panels.begin; p < panels.end; ++p) run_panel(tiles, w, p, a, tokens, out);
    }
  }
};

}  // namespace
}  // namespace lowkey::simd::amx
