// Exact tokens out of their tiles again.
#pragma once

#include "base/view.h"
#include "engine/kv/tiles.h"

namespace lowkey::engine {

/// Keys and values of positions [first, first + k.rows) of a store of kF16 or kF32 tiles:
/// k, v [n, n_heads * d].
void read_exact(const TileStore& store, simd::KvType type, int64_t first, MatrixView<float> k,
                MatrixView<float> v, int d);

}  // namespace lowkey::engine
