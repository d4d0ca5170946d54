// Weights times activations of f32 or bf16: 16 rows by a few tokens in registers, one column at a
// time. For bf16 the weights are rounded to it too.
#pragma once

#include <algorithm>
#include <type_traits>

#include "base/half.h"
#include "simd/wide/expand-inl.h"
#include "simd/wide/write_rows-inl.h"

namespace lowkey::simd::wide {
namespace {

inline float as_float(float x) { return x; }
inline float as_float(uint16_t x) { return bf16_to_f32(x); }

/// n floats, a multiple of the lanes, to the nearest bf16 each, ties to even; no NaN among them.
template <class Isa>
void round_to_bf16(float* x, int64_t n) {
  using Int = typename Isa::Int;
  for (int64_t i = 0; i < n; i += Isa::kLanes) {
    const Int bits = Int::load_aligned(reinterpret_cast<const int32_t*>(x + i));
    const Int rounded = bits + Int(0x7fff) + ((bits >> 16) & Int(1));
    (rounded & Int(-0x10000)).store_aligned(reinterpret_cast<int32_t*>(x + i));
  }
}

/// A slab of one panel: weights w [n_cols][16] against x [.., n_cols], results to rows of `out`.
template <class X>
struct FloatSlab {
  const float* w;
  MatrixView<const X> x;
  int64_t first_row;
  int64_t n_rows;
};

/// Tokens [t, t + kTokens). kChains columns are summed apart, to hide the latency of the FMA.
template <class Isa, int kTokens, int kChains, class X>
void float_tile(const FloatSlab<X>& slab, int64_t t, const MatmulOut& out) {
  using Float = typename Isa::Float;
  constexpr int kParts = kPanelRows / Isa::kLanes;
  Float acc[kTokens][kChains][kParts];
  for (int i = 0; i < kTokens; ++i) {
    for (int chain = 0; chain < kChains; ++chain) std::fill_n(acc[i][chain], kParts, Float(0.0f));
  }
  const auto step = [&](int64_t c, int chain) {
    for (int part = 0; part < kParts; ++part) {
      const Float w = Float::load_unaligned(slab.w + c * kPanelRows + part * Isa::kLanes);
      for (int i = 0; i < kTokens; ++i) {
        acc[i][chain][part] =
            Isa::mul_add(w, Float(as_float(slab.x.row(t + i)[c])), acc[i][chain][part]);
      }
    }
  };
  int64_t c = 0;
  for (; c + kChains <= slab.x.cols; c += kChains) {
    for (int chain = 0; chain < kChains; ++chain) step(c + chain, chain);
  }
  for (; c < slab.x.cols; ++c) step(c, 0);

  for (int i = 0; i < kTokens; ++i) {
    alignas(64) float sums[kPanelRows];
    for (int part = 0; part < kParts; ++part) {
      Float sum = acc[i][0][part];
      for (int chain = 1; chain < kChains; ++chain) sum += acc[i][chain][part];
      sum.store_aligned(sums + part * Isa::kLanes);
    }
    write_rows(sums, out, t + i, slab.first_row, slab.n_rows);
  }
}

/// matmul_float and matmul_bf16 of simd/kernel_set.h.
template <class Isa, class X>
void matmul_panels(const PanelMatrix& w, Range panels, MatrixView<const X> x,
                   const MatmulOut& out) {
  constexpr bool kRounded = std::is_same_v<X, uint16_t>;
  constexpr int kTile = Isa::kLanes == kPanelRows ? 8 : 4;
  alignas(64) float scratch[kSlabCols * kPanelRows];
  for (int64_t p = panels.begin; p < panels.end; ++p) {
    for (int64_t begin = 0; begin < w.n_cols; begin += kSlabCols) {
      const Range cols{begin, std::min(begin + kSlabCols, w.n_cols)};
      const float* weights = expand<Isa>(w.format, w.panel(p), cols, scratch);
      if (kRounded) round_to_bf16<Isa>(scratch, cols.size() * kPanelRows);
      const FloatSlab<X> slab{
          weights, {x.data + begin, x.rows, cols.size(), x.stride}, p * kPanelRows, w.n_rows};
      const MatmulOut target{out.y, out.stride, out.accumulate || begin > 0};
      int64_t t = 0;
      for (; t + kTile <= x.rows; t += kTile) float_tile<Isa, kTile, 1>(slab, t, target);
      for (; t < x.rows; ++t) float_tile<Isa, 1, 4>(slab, t, target);
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
