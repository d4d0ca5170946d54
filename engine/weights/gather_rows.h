// Some rows of a matrix in panels of their own, so that the kernels that multiply panels serve for
// rows that lie apart.
#pragma once

#include <span>

#include "simd/panel.h"

namespace lowkey::engine {

/// Writes rows `rows` of w, at most 16, as one panel of panel_bytes(w.format, w.n_cols). What the
/// panel holds of other rows stays.
void gather_rows(const simd::PanelMatrix& w, std::span<const int32_t> rows, std::byte* panel);

}  // namespace lowkey::engine
