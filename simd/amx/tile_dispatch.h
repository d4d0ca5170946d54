// From a panel's format to its tile kernels; `Tiles` and `Unit` are the unit (tile_hw.h, bf16_hw.h)
// or its emulation (tile_emulated.h, bf16_emulated.h).
#pragma once

#include "simd/amx/bf16_kernel.h"
#include "simd/amx/tile_kernel.h"
#include "simd/avx512/ops.h"
#include "simd/wide/matmul_types-inl.h"

namespace lowkey::simd::amx {
namespace {

/// Calls f.operator()<Source>() with what the blocks of a quantised format look like.
template <class F>
void with_source(const PanelFormat& format, F f) {
  switch (format.type) {
    case PanelType::kU4:
      return wide::with_blocks<avx512::BlockSource, PanelType::kU4>(format, f);
    case PanelType::kU5:
      return wide::with_blocks<avx512::BlockSource, PanelType::kU5>(format, f);
    case PanelType::kU6:
      return wide::with_blocks<avx512::BlockSource, PanelType::kU6>(format, f);
    default:
      return wide::with_blocks<avx512::BlockSource, PanelType::kU8>(format, f);
  }
}

/// Whole tiles of tokens here, the rest (and small batches) by the AVX-512 kernel.
template <class Tiles>
void matmul_on_tiles(const PanelMatrix& w, Range panels, const Activations& a,
                     const MatmulOut& out) {
  const int64_t n = a.n_tokens / kTokens * kTokens;
  if (n > 0) {
    with_source(w.format, [&]<class Source>() {
      if (a.lo) return TileKernel<Source, true>::template run<Tiles>(w, panels, a, n, out);
      TileKernel<Source, false>::template run<Tiles>(w, panels, a, n, out);
    });
  }
  if (n == a.n_tokens) return;
  const int64_t at = n * a.n_cols;
  const Activations rest{a.n_tokens - n,          a.n_cols,          a.hi + at,
                         a.lo ? a.lo + at : a.lo, a.scale + at / 32, a.sum + at / 16};
  avx512::matmul_quantized(w, panels, rest, {out.y + n * out.stride, out.stride, out.accumulate});
}

template <class Unit>
void matmul_bf16_on_tiles(const PanelMatrix& w, Range panels, MatrixView<const uint16_t> x,
                          const MatmulOut& out) {
  const auto run = [&]<class Source>() { Bf16Kernel<Unit, Source>(w, x, out).run(panels); };
  if (w.format.type == PanelType::kF16)
    return run.template operator()<FloatBlocks<PanelType::kF16>>();
  if (w.format.type == PanelType::kBF16)
    return run.template operator()<FloatBlocks<PanelType::kBF16>>();
  with_source(w.format, run);
}

}  // namespace
}  // namespace lowkey::simd::amx
