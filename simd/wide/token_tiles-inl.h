// Many activations in tiles of tokens by blocks, as many as a set keeps near the core.
#pragma once

#include <algorithm>
#include <cstdint>

#include "simd/panel.h"

namespace lowkey::simd::wide {
namespace {

constexpr int64_t kTileTokens = 32;  // weights pass 32 times less often than in decode
// Blocks times tokens: 128 KiB of activations, which stream from the second-level cache, so that
// the sums of 2,048 columns stay near the core; they are gathered from all over y.
constexpr int64_t kTileSize = 2048;

/// Which part of the activations a tile holds.
struct TileRange {
  int64_t token;
  int64_t n_tokens;
  int64_t block;
  int64_t n_blocks;
};

/// Calls f(range) for tiles of at most kTileTokens tokens and kTileSize blocks, tokens first.
template <class F>
[[gnu::always_inline]] inline void for_each_tile(const Activations& a, const F& f) {
  const int64_t n_blocks = a.n_cols / kBlockCols;
  for (int64_t t = 0; t < a.n_tokens; t += kTileTokens) {
    const int64_t n_tokens = std::min(kTileTokens, a.n_tokens - t), most = kTileSize / n_tokens;
    for (int64_t b = 0; b < n_blocks; b += most) {
      f(TileRange{t, n_tokens, b, std::min(most, n_blocks - b)});
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
