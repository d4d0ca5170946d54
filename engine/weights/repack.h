// Weights from the blocks of a file into panels for the kernels (simd/panel.h), once, at load.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/threads.h"
#include "models/model.h"
#include "simd/panel.h"

namespace lowkey::engine {

struct PackedMatrix {
  simd::PanelMatrix view;
  ArenaBlock storage;           // what view.data points into
  std::vector<int64_t> bounds;  // whose panels are whose: for Team::parallel_for_owned
};

/// Where weights are packed: matrices side by side in huge pages, or, with several memory nodes,
/// each in pages of its own, which go to the nodes that touch them.
class WeightStore {
 public:
  explicit WeightStore(Team& team) : team_(team) {}
  Team& team() { return team_; }
  Result<ArenaBlock> take(int64_t bytes, const char* what);

 private:
  static constexpr int64_t kChunk = int64_t{32} << 20;
  Team& team_;
  Arena arena_{kChunk};
};

/// Whether pack() can put the rows of these tensors below each other in one matrix: the same
/// number of columns and the same panel format.
bool can_stack(std::span<const models::TensorView* const> parts);

/// Rows of all `parts`, one tensor after another. Block types keep their codes exactly; scales and
/// minima that a K-type stores as products are rounded to f16 (relative error 2^-11).
/// kUnsupported where a block type has columns that are no multiple of 32. Every panel is first
/// touched on the memory node whose threads will multiply with it.
Result<PackedMatrix> pack(std::span<const models::TensorView* const> parts, WeightStore& store);

/// Row `row` as n_cols floats.
void unpack_row(const simd::PanelMatrix& matrix, int64_t row, float* out);

}  // namespace lowkey::engine
