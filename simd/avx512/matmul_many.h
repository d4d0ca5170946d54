// Many tokens: a block's weights stay in registers while a tile of tokens passes by. The tile's
// activations are first copied into the order of their use: token rows that lie a power of two
// apart would fight for the same cache lines.
#pragma once

#include <algorithm>
#include <cstring>

#include "simd/avx512/integer_dot.h"
#include "simd/kernel_set.h"

namespace lowkey::simd::avx512 {
namespace {

constexpr int64_t kTileTokens = 32;  // weights pass 32 times less often than in decode
// Blocks times tokens: 128 KiB of activations, which stream from the second-level cache, so that
// the sums of 2,048 columns stay near the core; they are gathered from all over y.
constexpr int64_t kTileSize = 2048;
// Up to so many tokens memory sets the speed: panels pass one after another (see matmul_one).
constexpr int64_t kFewTokens = 4;

/// Block b of token t is number b * n_tokens + t.
struct TokenTile {
  alignas(64) int8_t q[kTileSize][64];  // 32 of hi, 32 of lo
  alignas(64) float sums[kTileTokens][2][kPanelRows];
  float scale[kTileSize];
  float weight[kTileSize];
  int32_t start[kTileSize][2];
};

/// Which part of the activations a tile holds.
struct TileRange {
  int64_t token;
  int64_t n_tokens;
  int64_t block;
  int64_t n_blocks;
};

template <class Source, bool kLo>
void fill_tile(const Activations& a, const TileRange& r, int offset, TokenTile* tile) {
  for (int64_t t = 0; t < r.n_tokens; ++t) {
    for (int64_t b = 0; b < r.n_blocks; ++b) {
      const int64_t at = (r.token + t) * (a.n_cols / kBlockCols) + r.block + b;
      const int64_t i = b * r.n_tokens + t;
      std::memcpy(tile->q[i], a.hi + at * kBlockCols, kBlockCols);
      if (kLo) std::memcpy(tile->q[i] + kBlockCols, a.lo + at * kBlockCols, kBlockCols);
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

/// tile.sums += kPanels panels of blocks at `block` times the tile.
template <class Source, bool kLo, int kPanels>
void multiply_tile(const std::byte* block, int64_t panel_stride, const TileRange& r,
                   TokenTile* tile) {
  const int64_t ahead = kPanels == 1 ? kAhead : kPanels * panel_stride;
  for (int64_t b = 0, i = 0; b < r.n_blocks; ++b, block += Source::kBytes) {
    for (int p = 0; p < kPanels; ++p) Source::prefetch(block + p * panel_stride + ahead);
    const BlockWeights<Source, kLo, kPanels> weights(block, panel_stride);
    for (int64_t t = 0; t < r.n_tokens; ++t, ++i) {
      const BlockInput in{tile->q[i], tile->q[i] + kBlockCols, tile->scale[i], tile->weight[i],
                          tile->start[i]};
      __m512 sums[kPanels];
      for (int p = 0; p < kPanels; ++p) sums[p] = _mm512_load_ps(tile->sums[t][p]);
      weights.add_to(in, sums);
      for (int p = 0; p < kPanels; ++p) _mm512_store_ps(tile->sums[t][p], sums[p]);
    }
  }
}

/// kPanels panels from `panel` on times the tile, from y and back to y.
template <class Source, bool kLo, int kPanels>
void matmul_tile(const PanelMatrix& w, int64_t panel, const TileRange& r, const MatmulOut& out,
                 TokenTile* tile) {
  const int64_t panel_stride = w.n_cols / kBlockCols * Source::kBytes;
  const bool fresh = !out.accumulate && r.block == 0;
  for (int64_t t = 0; t < r.n_tokens; ++t) {
    for (int p = 0; p < kPanels; ++p) {
      const int64_t row = (panel + p) * kPanelRows;
      const float* y = out.y + (r.token + t) * out.stride + row;
      const __m512 before = fresh ? _mm512_setzero_ps() : load_rows(y, w.n_rows - row);
      _mm512_store_ps(tile->sums[t][p], before);
    }
  }
  const std::byte* block = w.data + panel * panel_stride + r.block * Source::kBytes;
  multiply_tile<Source, kLo, kPanels>(block, panel_stride, r, tile);
  for (int64_t t = 0; t < r.n_tokens; ++t) {
    for (int p = 0; p < kPanels; ++p) {
      const int64_t row = (panel + p) * kPanelRows;
      float* y = out.y + (r.token + t) * out.stride + row;
      store_rows(_mm512_load_ps(tile->sums[t][p]), y, w.n_rows - row);
    }
  }
}

template <class Source, bool kLo>
void matmul_many(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  const int64_t n_blocks = w.n_cols / kBlockCols;
  TokenTile tile;
  for (int64_t t = 0; t < a.n_tokens; t += kTileTokens) {
    const int64_t n_tokens = std::min(kTileTokens, a.n_tokens - t), most = kTileSize / n_tokens;
    for (int64_t b = 0; b < n_blocks; b += most) {
      const TileRange r{t, n_tokens, b, std::min(most, n_blocks - b)};
      fill_tile<Source, kLo>(a, r, w.format.offset, &tile);
      int64_t p = panels.begin;
      for (; n_tokens > kFewTokens && p + 2 <= panels.end; p += 2) {
        matmul_tile<Source, kLo, 2>(w, p, r, out, &tile);
      }
      for (; p < panels.end; ++p) matmul_tile<Source, kLo, 1>(w, p, r, out, &tile);
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::avx512
