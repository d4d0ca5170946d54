// An integer matrix product by panel type and number of tokens, for sets that unpack codes into
// registers.
//
// `Source` is the set's template: what blocks of a type, with a minimum or without, and so many
// scales look like. Beside it stand matmul_one<kLo>(Source, ...), which multiplies one token, and
// matmul_many<kLo>, several; kLo: by both halves of activations.
#pragma once

#include "simd/kernel_set.h"

namespace lowkey::simd::wide {
namespace {

template <class Source>
void matmul_format(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  const Source source;
  if (a.n_tokens == 1) {
    if (a.lo) return matmul_one<true>(source, w, panels, a, out);
    return matmul_one<false>(source, w, panels, a, out);
  }
  if (a.lo) return matmul_many<true>(source, w, panels, a, out);
  matmul_many<false>(source, w, panels, a, out);
}

/// Calls f.operator()<Blocks>() with the one of the three kinds of blocks that panels of a type are
/// made of: two scales per block come with an offset only.
template <template <PanelType, bool, int> class Source, PanelType kType, class F>
void with_blocks(const PanelFormat& format, F f) {
  if (format.scale_cols == 16) return f.template operator()<Source<kType, false, 2>>();
  if (format.has_minimum) return f.template operator()<Source<kType, true, 1>>();
  f.template operator()<Source<kType, false, 1>>();
}

template <template <PanelType, bool, int> class Source, PanelType kType>
void matmul_type(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  with_blocks<Source, kType>(w.format,
                             [&]<class Blocks>() { matmul_format<Blocks>(w, panels, a, out); });
}

}  // namespace
}  // namespace lowkey::simd::wide
