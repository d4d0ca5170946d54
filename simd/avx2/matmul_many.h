// Many tokens: a block's codes are unpacked once and stay in the first-level cache while a tile of
// tokens passes by, some at a time with their sums in registers.
#pragma once

#include <algorithm>

#include "simd/avx2/token_tile.h"
#include "simd/wide/read_ahead-inl.h"

namespace lowkey::simd::avx2 {
namespace {

/// As many of the block's tokens as there are whole groups of kTokens; returns how many. No
/// caller's constants live in registers here: all are needed.
template <int kTokens, class Source, bool kLo>
[[gnu::noinline]] int64_t multiply_groups(const BlockWeights<Source, kLo>& weights,
                                          const TokenTile& tile, Range inputs, float* sums) {
  const int64_t n = inputs.size() / kTokens * kTokens;
  for (int64_t i = 0; i < n; i += kTokens) {
    weights.template add_to<kTokens>(tile, inputs.begin + i, sums + i * kPanelRows);
  }
  return n;
}

/// sums [n][16] += a block of weights times its n tokens of the tile, numbers `inputs`.
template <class Source, bool kLo>
void multiply_block(const BlockWeights<Source, kLo>& weights, const TokenTile& tile, Range inputs,
                    float* sums) {
  const auto some = [&]<int kTokens>() {
    const int64_t n = multiply_groups<kTokens>(weights, tile, inputs, sums);
    inputs.begin += n;
    sums += n * kPanelRows;
  };
  some.template operator()<kTogether>();
  if (inputs.size() >= 4) some.template operator()<4>();
  if (inputs.size() >= 2) some.template operator()<2>();
  if (inputs.size() > 0) some.template operator()<1>();
}

/// One panel times the tile, from y and back to y.
template <class Source, bool kLo>
void multiply_tile(const PanelMatrix& w, int64_t panel, const TileRange& r, const MatmulOut& out,
                   TokenTile& tile, const wide::ReadAhead& ahead) {
  const int64_t row = panel * kPanelRows, n = std::min<int64_t>(kPanelRows, w.n_rows - row);
  const bool fresh = !out.accumulate && r.block == 0;
  float* y = out.y + r.token * out.stride + row;
  for (int64_t t = 0; t < r.n_tokens; ++t) {
    if (fresh) std::fill_n(tile.sums[t], kPanelRows, 0.0f);
    if (!fresh) std::copy_n(y + t * out.stride, n, tile.sums[t]);
  }
  const std::byte* block = w.data + (panel * (w.n_cols / kBlockCols) + r.block) * Source::kBytes;
  for (int64_t b = 0; b < r.n_blocks; ++b, block += Source::kBytes) {
    Source::prefetch(ahead.from(block));
    const BlockWeights<Source, kLo> weights(block);
    multiply_block(weights, tile, {b * r.n_tokens, (b + 1) * r.n_tokens}, tile.sums[0]);
  }
  for (int64_t t = 0; t < r.n_tokens; ++t) std::copy_n(tile.sums[t], n, y + t * out.stride);
}

template <bool kLo, class Source>
void matmul_many(Source, const PanelMatrix& w, Range panels, const Activations& a,
                 const MatmulOut& out) {
  const int64_t n_blocks = w.n_cols / kBlockCols;
  const wide::ReadAhead ahead(w.data + panels.end * (n_blocks * Source::kBytes), w.next);
  TokenTile tile;
  wide::for_each_tile(a, [&](const TileRange& r) {
    fill_tile<Source, kLo>(a, r, w.format.offset, &tile);
    for (int64_t p = panels.begin; p < panels.end; ++p) {
      multiply_tile<Source, kLo>(w, p, r, out, tile, ahead);
    }
  });
}

}  // namespace
}  // namespace lowkey::simd::avx2
