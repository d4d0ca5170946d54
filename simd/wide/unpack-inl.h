// Panels back to rows.
#pragma once

#include <algorithm>

#include "simd/wide/expand-inl.h"

namespace lowkey::simd::wide {
namespace {

/// Rows of one panel as out [16, stride].
template <class Isa>
void unpack_f32(const PanelMatrix& w, int64_t panel, float* out, int64_t stride) {
  alignas(64) float scratch[kSlabCols * kPanelRows];
  for (int64_t begin = 0; begin < w.n_cols; begin += kSlabCols) {
    const Range cols{begin, std::min(begin + kSlabCols, w.n_cols)};
    const float* slab = expand<Isa>(w.format, w.panel(panel), cols, scratch);
    for (int64_t r = 0; r < kPanelRows; ++r) {
      float* row = out + r * stride + begin;
      for (int64_t c = 0; c < cols.size(); ++c) row[c] = slab[c * kPanelRows + r];
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
