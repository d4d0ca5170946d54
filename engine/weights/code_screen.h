// The blocks of a screen (screen.h) from the rows of a matrix.
#pragma once

#include <span>
#include <vector>

#include "engine/context.h"
#include "simd/panel.h"

namespace lowkey::engine {

/// Columns of a screen that have 8 bits: one block.
constexpr int64_t kFineCols = simd::kBlockCols;
constexpr int64_t kCoarseBlockBytes = 18;  // Q4_0: f16 scale, 32 codes of 4 bits
constexpr int64_t kFineBlockBytes = 34;    // Q8_0: f16 scale, 32 codes of 8 bits

/// Blocks as files have them, row by row: fine [n_rows], coarse [n_rows, n_cols / 32 - 1].
struct ScreenBlocks {
  std::byte *fine = nullptr, *coarse = nullptr;
};

/// What rounding leaves of a matrix, root mean squares.
struct ScreenErrors {
  std::vector<float> rows;      // [n_rows]
  std::vector<double> columns;  // [n_cols]: their share of all squares
};

/// Columns of w [*, n_cols], those of the largest sums of squares first, kFineCols of them; the
/// others as they come. Looks at some of the rows.
std::vector<int32_t> order_columns(const Context& context, const simd::PanelMatrix& w);

/// Codes all rows, their columns in that order.
ScreenErrors code_screen(const Context& context, const simd::PanelMatrix& w,
                         std::span<const int32_t> order, const ScreenBlocks& out);

}  // namespace lowkey::engine
