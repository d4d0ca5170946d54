// One panel type's integer matrix product; each is instantiated in a file of its own, so that
// they compile side by side.
#pragma once

#include "simd/avx512/matmul_many.h"
#include "simd/avx512/matmul_one.h"

namespace lowkey::simd::avx512 {
namespace {

template <class Source>
void matmul_format(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  if (a.n_tokens == 1) {
    if (a.lo) return matmul_one<Source, true>(w, panels, a, out);
    return matmul_one<Source, false>(w, panels, a, out);
  }
  if (a.lo) return matmul_many<Source, true>(w, panels, a, out);
  matmul_many<Source, false>(w, panels, a, out);
}

/// The three kinds of panels there are: two scales per block come with an offset only.
template <PanelType kType>
void matmul_type(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  if (w.format.scale_cols == 16) {
    return matmul_format<BlockSource<kType, false, 2>>(w, panels, a, out);
  }
  if (w.format.has_minimum) {
    return matmul_format<BlockSource<kType, true, 1>>(w, panels, a, out);
  }
  matmul_format<BlockSource<kType, false, 1>>(w, panels, a, out);
}

}  // namespace
}  // namespace lowkey::simd::avx512
