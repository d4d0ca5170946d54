#include "engine/kv/read_exact.h"

#include <cstring>

#include "base/half.h"

namespace lowkey::engine {

namespace {

float element(const std::byte* part, simd::KvType type, int64_t i) {
  if (type == simd::KvType::kF32) {
    float x;
    std::memcpy(&x, part + 4 * i, sizeof(x));
    return x;
  }
  uint16_t half;
  std::memcpy(&half, part + 2 * i, sizeof(half));
  return f16_to_f32(half);
}

}  // namespace

void read_exact(const TileStore& store, simd::KvType type, int64_t first, MatrixView<float> k,
                MatrixView<float> v, int d) {
  const int n_heads = int(k.cols / d);
  for (int64_t row = 0; row < k.rows; ++row) {
    const int64_t t = (first + row) % simd::kTileTokens;
    for (int h = 0; h < n_heads; ++h) {
      const simd::KvRun run = store.piece(h, first + row, first + row + 1).run;
      for (int64_t i = 0; i < d; ++i) {
        k.row(row)[h * d + i] = element(run.k, type, i * simd::kTileTokens + t);
        v.row(row)[h * d + i] = element(run.v, type, t * d + i);
      }
    }
  }
}

}  // namespace lowkey::engine
