// Weights from the blocks of a file into panels for the kernels (simd/panel.h), once, at load.
#pragma once

#include <span>

#include "base/buffer.h"
#include "base/result.h"
#include "models/model.h"
#include "simd/panel.h"

namespace lowkey::engine {

struct PackedMatrix {
  simd::PanelMatrix view;
  ByteBuffer storage;  // what view.data points into
};

/// Whether pack() can put the rows of these tensors below each other in one matrix: the same
/// number of columns and the same panel format.
bool can_stack(std::span<const models::TensorView* const> parts);

/// Rows of all `parts`, one tensor after another. Block types keep their codes exactly; scales and
/// minima that a K-type stores as products are rounded to f16 (relative error 2^-11).
/// kUnsupported where a block type has columns that are no multiple of 32.
Result<PackedMatrix> pack(std::span<const models::TensorView* const> parts, int n_threads);

/// Row `row` as n_cols floats.
void unpack_row(const simd::PanelMatrix& matrix, int64_t row, float* out);

}  // namespace lowkey::engine
