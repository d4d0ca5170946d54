// Many tokens: a block's weights stay in registers while a tile of tokens passes by. The tile's
// activations are first copied into the order of their use: token rows that lie a power of two
// apart would fight for the same cache lines.
#pragma once

#include <algorithm>
#include <cstring>

#include "simd/avx512/integer_dot.h"
#include "simd/kernel_set.h"
#include "simd/wide/read_ahead-inl.h"
#include "simd/wide/token_tiles-inl.h"

namespace lowkey::simd::avx512 {
namespace {

using wide::kTileSize, wide::kTileTokens, wide::TileRange;

// Up to so many tokens memory sets the speed: panels pass one after another (see matmul_one).
constexpr int64_t kFewTokens = 4;

/// Block b of token t is number b * n_tokens + t.
struct TokenTile {
  alignas(64) int8_t q[kTileSize * 2 * kBlockCols];  // of each block 32 of hi, then of lo if any
  alignas(64) float sums[kTileTokens][2][kPanelRows];
  float scale[kTileSize];
  float weight[kTileSize];
  int32_t start[kTileSize][2];
};

/// Bytes of one block of one token.
template <bool kLo>
constexpr int64_t kBlockBytes = kLo ? 2 * kBlockCols : kBlockCols;

template <class Source, bool kLo>
void fill_tile(const Activations& a, const TileRange& r, int offset, TokenTile* tile) {
  for (int64_t t = 0; t < r.n_tokens; ++t) {
    for (int64_t b = 0; b < r.n_blocks; ++b) {
      const int64_t at = (r.token + t) * (a.n_cols / kBlockCols) + r.block + b;
      const int64_t i = b * r.n_tokens + t;
      int8_t* q = tile->q + i * kBlockBytes<kLo>;
      std::memcpy(q, a.hi + at * kBlockCols, kBlockCols);
      if (kLo) std::memcpy(q + kBlockCols, a.lo + at * kBlockCols, kBlockCols);
      const int32_t first = a.sum[2 * at], second = a.sum[2 * at + 1];
      tile->scale[i] = a.scale[at];
      if constexpr (Source::kHasMinimum) {
        tile->weight[i] = a.scale[at] * float(first + second);
      } else {
        tile->start[i][0] = start_of<kLo>(offset, Source::kScales == 2 ? first : first + second);
        tile->start[i][1] = start_of<kLo>(offset, second);
      }
    }
  }
}

/// Sums of kPanels panels: those of token t at data + t * stride.
template <class T>
struct SumRows {
  T* data;
  int64_t stride;
};

/// to = from + one block of kPanels panels times the tile's block b.
template <class Source, bool kLo, int kPanels>
void multiply_block(const BlockWeights<Source, kLo, kPanels>& weights, const TokenTile& tile,
                    Range inputs, SumRows<const float> from, SumRows<float> to) {
  for (int64_t i = inputs.begin; i < inputs.end; ++i) {
    const int8_t* q = tile.q + i * kBlockBytes<kLo>;
    const BlockInput in{q, q + kBlockCols, tile.scale[i], tile.weight[i], tile.start[i]};
    __m512 sums[kPanels];
    for (int p = 0; p < kPanels; ++p) sums[p] = _mm512_loadu_ps(from.data + p * kPanelRows);
    weights.add_to(in, sums);
    for (int p = 0; p < kPanels; ++p) _mm512_storeu_ps(to.data + p * kPanelRows, sums[p]);
    from.data += from.stride;
    to.data += to.stride;
  }
}

/// y = first + kPanels panels of blocks at `block` times the tile; sums stay near the core between
/// the first block and the last.
template <class Source, bool kLo, int kPanels>
void multiply_tile(const std::byte* block, int64_t panel_stride, const TileRange& r,
                   SumRows<const float> first, SumRows<float> y, TokenTile& tile) {
  const int64_t ahead = kPanels == 1 ? wide::kAhead : kPanels * panel_stride;
  const SumRows<float> near{&tile.sums[0][0][0], 2 * kPanelRows};
  for (int64_t b = 0; b < r.n_blocks; ++b, block += Source::kBytes) {
    for (int p = 0; p < kPanels; ++p) Source::prefetch(block + p * panel_stride + ahead);
    const BlockWeights<Source, kLo, kPanels> weights(block, panel_stride);
    const SumRows<const float> from = b == 0 ? first : SumRows<const float>{near.data, near.stride};
    multiply_block(weights, tile, {b * r.n_tokens, (b + 1) * r.n_tokens}, from,
                   b == r.n_blocks - 1 ? y : near);
  }
}

/// kPanels panels from `panel` on times the tile, from y and back to y.
template <class Source, bool kLo, int kPanels>
void matmul_tile(const PanelMatrix& w, int64_t panel, const TileRange& r, const MatmulOut& out,
                 TokenTile& tile) {
  alignas(64) static constexpr float kZeros[2 * kPanelRows] = {};
  const int64_t panel_stride = w.n_cols / kBlockCols * Source::kBytes, row = panel * kPanelRows;
  const std::byte* block = w.data + panel * panel_stride + r.block * Source::kBytes;
  const bool fresh = !out.accumulate && r.block == 0;
  const SumRows<float> y{out.y + r.token * out.stride + row, out.stride};
  SumRows<const float> first{fresh ? kZeros : y.data, fresh ? 0 : y.stride};
  if (row + kPanels * kPanelRows <= w.n_rows) {
    return multiply_tile<Source, kLo, kPanels>(block, panel_stride, r, first, y, tile);
  }
  // The last panel's padding is no part of y.
  alignas(64) float whole[kTileTokens][kPanels * kPanelRows] = {};
  const int64_t n = w.n_rows - row;
  for (int64_t t = 0; t < r.n_tokens; ++t) std::copy_n(first.data + t * first.stride, n, whole[t]);
  const SumRows<float> padded{whole[0], kPanels * kPanelRows};
  multiply_tile<Source, kLo, kPanels>(block, panel_stride, r, {padded.data, padded.stride}, padded,
                                      tile);
  for (int64_t t = 0; t < r.n_tokens; ++t) std::copy_n(whole[t], n, y.data + t * y.stride);
}

template <bool kLo, class Source>
void matmul_many(Source, const PanelMatrix& w, Range panels, const Activations& a,
                 const MatmulOut& out) {
  TokenTile tile;
  wide::for_each_tile(a, [&](const TileRange& r) {
    fill_tile<Source, kLo>(a, r, w.format.offset, &tile);
    int64_t p = panels.begin;
    for (; r.n_tokens > kFewTokens && p + 2 <= panels.end; p += 2) {
      matmul_tile<Source, kLo, 2>(w, p, r, out, tile);
    }
    for (; p < panels.end; ++p) matmul_tile<Source, kLo, 1>(w, p, r, out, tile);
  });
}

}  // namespace
}  // namespace lowkey::simd::avx512
