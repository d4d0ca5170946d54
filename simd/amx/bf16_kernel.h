// Products of many tokens in bf16 on tiles: 32 tokens by 32 rows are summed over a slab of columns,
// 16 tokens by 16 rows by 32 columns an instruction. A block of weights (panel.h: 16 rows by 32
// columns) is one tile, so it is scaled and rounded once for all tokens, and sums need no scales.
#pragma once

#include <algorithm>

#include "simd/amx/bf16_weights.h"
#include "simd/kernel_set.h"

namespace lowkey::simd::amx {
namespace {

// A slab's weights, of two panels 48 KB, stay in the first-level cache while tokens pass.
constexpr int64_t kSlabBlocks = 24;
constexpr int64_t kTileTokens = 16;

/// Columns of a slab: those of the blocks [first, first + n).
struct Slab {
  alignas(64) WeightTile tiles[2][kSlabBlocks];  // of two panels
  int64_t first, n;
};

/// Where the sums of 16 tokens and a panel begin, and stay.
struct TileSumsAt {
  float* y;
  int64_t stride;
};

template <class Unit, class Source>
class Bf16Kernel {
 public:
  Bf16Kernel(const PanelMatrix& w, MatrixView<const uint16_t> x, const MatmulOut& out)
      : w_(w), x_(x), out_(out) {}

  void run(Range panels) {
    const int64_t n_blocks = w_.n_cols / kBlockCols;
    const int64_t n_slabs = ceil_div(n_blocks, kSlabBlocks), size = ceil_div(n_blocks, n_slabs);
    for (int64_t p = panels.begin; p < panels.end; p += 2) {
      const int n_panels = int(std::min<int64_t>(2, panels.end - p));
      for (slab_.first = 0; slab_.first < n_blocks; slab_.first += size) {
        slab_.n = std::min(size, n_blocks - slab_.first);
        for (int j = 0; j < n_panels; ++j) unpack(p + j, slab_.tiles[j]);
        if (n_panels == 2) {
          run_tokens<2>(p);
        } else {
          run_tokens<1>(p);
        }
      }
    }
  }

 private:
  void unpack(int64_t panel, WeightTile* tiles) const {
    const std::byte* block = w_.panel(panel) + slab_.first * Source::kBytes;
    for (int64_t b = 0; b < slab_.n; ++b) {
      unpack_tile<Unit>(Source(), block + b * Source::kBytes, w_.format.offset, tiles[b]);
    }
  }

  template <int kPanels>
  void run_tokens(int64_t panel) {
    int64_t t = 0;
    for (; t + kTileTokens < x_.rows; t += 2 * kTileTokens) {
      const int64_t second = std::min(x_.rows - t - kTileTokens, kTileTokens);
      unit_.configure(int(kTileTokens), int(second));
      multiply<2, kPanels>(t, panel);
    }
    if (t >= x_.rows) return;
    unit_.configure(int(x_.rows - t), int(kTileTokens));
    multiply<1, kPanels>(t, panel);
  }

  /// Groups of 16 tokens from t on with panels from `panel` on.
  template <int kGroups, int kPanels>
  void multiply(int64_t t, int64_t panel) {
    const bool whole = (panel + kPanels) * kPanelRows <= w_.n_rows;
    const int64_t n = std::min(kGroups * kTileTokens, x_.rows - t);
    alignas(64) float padded[2 * kTileTokens][2 * kPanelRows];
    TileSumsAt at{out_.y + t * out_.stride + panel * kPanelRows, out_.stride};
    const bool more = out_.accumulate || slab_.first > 0;
    const int64_t n_rows = std::min(w_.n_rows - panel * kPanelRows, kPanels * int64_t{kPanelRows});
    const auto exchange = [&](auto copy) {
      for (int64_t i = 0; i < n; ++i)
        copy(padded[i], out_.y + (t + i) * out_.stride + panel * kPanelRows);
    };
    if (!whole && more) exchange([&](float* mine, float* y) { std::copy_n(y, n_rows, mine); });
    if (!whole) at = {padded[0], 2 * kPanelRows};
    if (more) {
      unit_.template load_sums<kGroups, kPanels>(at.y, at.stride);
    } else {
      unit_.template start<kGroups, kPanels>();
    }
    const uint16_t* x = x_.row(t) + slab_.first * kBlockCols;
    for (int64_t b = 0; b < slab_.n; ++b) {
      unit_.template load_blocks<kPanels>(slab_.tiles[0][b], slab_.tiles[1][b]);
      unit_.template load_tokens<kGroups>(x + b * kBlockCols, x_.stride);
      unit_.template multiply<kGroups, kPanels>();
    }
    unit_.template store_sums<kGroups, kPanels>(at.y, at.stride);
    if (!whole) exchange([&](float* mine, float* y) { std::copy_n(mine, n_rows, y); });
  }

  PanelMatrix w_;
  MatrixView<const uint16_t> x_;
  MatmulOut out_;
  Unit unit_;
  Slab slab_;
};

}  // namespace
}  // namespace lowkey::simd::amx
