// An integer matrix product by panel type and number of tokens, for sets that unpack codes into
// registers.
//
// `Kernels` is the set's: Source<type, has a minimum, scales of a block> says what blocks look
// like, one<Source, kLo> multiplies one token, many<Source, kLo> several; kLo: by both halves of
// activations.
#pragma once

#include "simd/kernel_set.h"

namespace lowkey::simd::wide {
namespace {

template <class Kernels, class Source>
void matmul_format(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  if (a.n_tokens == 1) {
    if (a.lo) return Kernels::template one<Source, true>(w, panels, a, out);
    return Kernels::template one<Source, false>(w, panels, a, out);
  }
  if (a.lo) return Kernels::template many<Source, true>(w, panels, a, out);
  Kernels::template many<Source, false>(w, panels, a, out);
}

/// The three kinds of panels there are: two scales per block come with an offset only.
template <class Kernels, PanelType kType>
void matmul_type(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  if (w.format.scale_cols == 16) {
    return matmul_format<Kernels, typename Kernels::template Source<kType, false, 2>>(w, panels, a,
                                                                                      out);
  }
  if (w.format.has_minimum) {
    return matmul_format<Kernels, typename Kernels::template Source<kType, true, 1>>(w, panels, a,
                                                                                     out);
  }
  matmul_format<Kernels, typename Kernels::template Source<kType, false, 1>>(w, panels, a, out);
}

}  // namespace
}  // namespace lowkey::simd::wide
