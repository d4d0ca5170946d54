// From a panel's format to its tile kernel; `Tiles` is the unit (tile_hw.h) or its emulation
// (tile_emulated.h).
#pragma once

#include "simd/amx/tile_kernel.h"
#include "simd/avx512/ops.h"

namespace lowkey::simd::amx {
namespace {

template <class Tiles, PanelType kType, bool kLo>
void run_type(const PanelMatrix& w, Range panels, const Activations& a, int64_t n_tokens,
              const MatmulOut& out) {
  using avx512::BlockSource;
  if (w.format.scale_cols == 16) {
    TileKernel<BlockSource<kType, false, 2>, kLo>::template run<Tiles>(w, panels, a, n_tokens, out);
  } else if (w.format.has_minimum) {
    TileKernel<BlockSource<kType, true, 1>, kLo>::template run<Tiles>(w, panels, a, n_tokens, out);
  } else {
    TileKernel<BlockSource<kType, false, 1>, kLo>::template run<Tiles>(w, panels, a, n_tokens, out);
  }
}

template <class Tiles, bool kLo>
void run_tiles(const PanelMatrix& w, Range panels, const Activations& a, int64_t n_tokens,
               const MatmulOut& out) {
  switch (w.format.type) {
    case PanelType::kU4:
      return run_type<Tiles, PanelType::kU4, kLo>(w, panels, a, n_tokens, out);
    case PanelType::kU5:
      return run_type<Tiles, PanelType::kU5, kLo>(w, panels, a, n_tokens, out);
    case PanelType::kU6:
      return run_type<Tiles, PanelType::kU6, kLo>(w, panels, a, n_tokens, out);
    default:
      return run_type<Tiles, PanelType::kU8, kLo>(w, panels, a, n_tokens, out);
  }
}

/// Whole tiles of tokens here, the rest (and small batches) by the AVX-512 kernel.
template <class Tiles>
void matmul_on_tiles(const PanelMatrix& w, Range panels, const Activations& a,
                     const MatmulOut& out) {
  const int64_t n = a.n_tokens / kTokens * kTokens;
  if (n > 0 && a.lo) run_tiles<Tiles, true>(w, panels, a, n, out);
  if (n > 0 && !a.lo) run_tiles<Tiles, false>(w, panels, a, n, out);
  if (n == a.n_tokens) return;
  const int64_t at = n * a.n_cols;
  const Activations rest{a.n_tokens - n,          a.n_cols,          a.hi + at,
                         a.lo ? a.lo + at : a.lo, a.scale + at / 32, a.sum + at / 16};
  avx512::matmul_quantized(w, panels, rest, {out.y + n * out.stride, out.stride, out.accumulate});
}

}  // namespace
}  // namespace lowkey::simd::amx
