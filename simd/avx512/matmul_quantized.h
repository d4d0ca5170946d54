// One panel format's integer matrix product; each is instantiated in a file of its own, so that
// they compile side by side.
#pragma once

#include <algorithm>

#include "simd/avx512/integer_tile.h"
#include "simd/kernel_set.h"

namespace lowkey::simd::avx512 {

void matmul_u4(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out);
void matmul_u5(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out);
void matmul_u6(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out);
void matmul_u8(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out);

namespace {

/// Where the results of one slab go; `mask` leaves out the padding rows.
struct TileTarget {
  float* y;  // at the panel's first row, token 0
  int64_t stride;
  __mmask16 mask;
  bool accumulate;
};

template <class Source, int kTokens, bool kLo>
void run_tile(const std::byte* block, const SlabInput& in, int64_t t, const TileTarget& target) {
  __m512 sums[kTokens];
  for (int i = 0; i < kTokens; ++i) {
    float* y = target.y + (t + i) * target.stride;
    sums[i] = target.accumulate ? _mm512_maskz_loadu_ps(target.mask, y) : _mm512_setzero_ps();
  }
  integer_tile<Source, kTokens, kLo>(block, in.token(t), sums);
  for (int i = 0; i < kTokens; ++i) {
    _mm512_mask_storeu_ps(target.y + (t + i) * target.stride, target.mask, sums[i]);
  }
}

/// All tokens against one slab of one panel. From kShare tokens on the codes are unpacked once.
template <class Packed, bool kLo>
void run_slab(const std::byte* block, const SlabInput& in, int64_t n_tokens,
              const TileTarget& target) {
  using Scratch = ScratchSource<Packed::kHasMinimum, Packed::kScales>;
  constexpr int64_t kShare = 4, kTile = 8;
  int64_t t = 0;
  if (n_tokens < kShare) {
    for (; t + 2 <= n_tokens; t += 2) run_tile<Packed, 2, kLo>(block, in, t, target);
    if (t < n_tokens) run_tile<Packed, 1, kLo>(block, in, t, target);
    return;
  }
  alignas(64) std::byte scratch[kSlabBlocks * Scratch::kBytes];
  Scratch::template fill<Packed>(block, in.n_blocks, scratch);
  for (; t + kTile <= n_tokens; t += kTile) run_tile<Scratch, kTile, kLo>(scratch, in, t, target);
  for (; t + 4 <= n_tokens; t += 4) run_tile<Scratch, 4, kLo>(scratch, in, t, target);
  for (; t < n_tokens; ++t) run_tile<Scratch, 1, kLo>(scratch, in, t, target);
}

template <class Packed>
void matmul_panels(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  const int64_t n_blocks = w.n_cols / kBlockCols;
  for (int64_t p = panels.begin; p < panels.end; ++p) {
    const int64_t first_row = p * kPanelRows;
    const int n_rows = int(std::min<int64_t>(kPanelRows, w.n_rows - first_row));
    for (int64_t b = 0; b < n_blocks; b += kSlabBlocks) {
      const SlabInput in{a.hi + b * kBlockCols,
                         a.lo ? a.lo + b * kBlockCols : nullptr,
                         a.n_cols,
                         a.scale + b,
                         a.sum + 2 * b,
                         std::min<int64_t>(kSlabBlocks, n_blocks - b),
                         w.format.offset};
      const TileTarget target{out.y + first_row, out.stride, __mmask16((1u << n_rows) - 1),
                              out.accumulate || b > 0};
      const std::byte* block = w.panel(p) + b * Packed::kBytes;
      if (a.lo)
        run_slab<Packed, true>(block, in, a.n_tokens, target);
      else
        run_slab<Packed, false>(block, in, a.n_tokens, target);
    }
  }
}

template <PanelType kType>
void matmul_type(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  if (w.format.scale_cols == 16) {
    matmul_panels<PackedSource<kType, false, 2>>(w, panels, a, out);
  } else if (w.format.has_minimum) {
    matmul_panels<PackedSource<kType, true, 1>>(w, panels, a, out);
  } else {
    matmul_panels<PackedSource<kType, false, 1>>(w, panels, a, out);
  }
}

}  // namespace
}  // namespace lowkey::simd::avx512
