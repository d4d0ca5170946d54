#include <cstring>

#include "base/half.h"
#include "engine/weights/repack.h"

namespace lowkey::engine {

namespace {

using simd::kBlockCols;
using simd::kPanelRows;
using simd::PanelFormat;
using simd::PanelType;

float half_at(const std::byte* p) {
  uint16_t h;
  std::memcpy(&h, p, 2);
  return f16_to_f32(h);
}

int code_at(PanelType type, const uint8_t* codes, int r, int c) {
  const int v = c / 4, byte = 4 * r + c % 4;
  if (type == PanelType::kU8) return codes[64 * v + byte];
  const int low = codes[64 * (v % 4) + byte] >> (v < 4 ? 0 : 4) & 15;
  if (type == PanelType::kU5) return low | (codes[256 + byte] >> v & 1) << 4;
  if (type == PanelType::kU6) {
    return low | (codes[256 + 64 * (v / 4) + byte] >> (2 * (v % 4)) & 3) << 4;
  }
  return low;
}

void unpack_block_row(const PanelFormat& f, const std::byte* block, int r, float* out) {
  const int n_sub = kBlockCols / f.scale_cols;
  const std::byte* minima = block + 2 * kPanelRows * n_sub;
  const float minimum = f.has_minimum ? half_at(minima + 2 * r) : 0.0f;
  const auto* codes =
      reinterpret_cast<const uint8_t*>(minima + (f.has_minimum ? 2 * kPanelRows : 0));
  for (int c = 0; c < kBlockCols; ++c) {
    const float scale = half_at(block + 2 * (c / f.scale_cols * kPanelRows + r));
    out[c] = scale * float(code_at(f.type, codes, r, c) - f.offset) + minimum;
  }
}

float float_at(PanelType type, const std::byte* panel, int64_t i) {
  if (type == PanelType::kF32) {
    float value;
    std::memcpy(&value, panel + 4 * i, 4);
    return value;
  }
  uint16_t h;
  std::memcpy(&h, panel + 2 * i, 2);
  return type == PanelType::kF16 ? f16_to_f32(h) : bf16_to_f32(h);
}

}  // namespace

void unpack_row(const simd::PanelMatrix& matrix, int64_t row, float* out) {
  const std::byte* panel = matrix.panel(row / kPanelRows);
  const int r = int(row % kPanelRows);
  if (matrix.format.is_float()) {
    for (int64_t c = 0; c < matrix.n_cols; ++c) {
      out[c] = float_at(matrix.format.type, panel, c * kPanelRows + r);
    }
    return;
  }
  for (int64_t b = 0; b < matrix.n_cols / kBlockCols; ++b) {
    unpack_block_row(matrix.format, panel + b * simd::block_bytes(matrix.format), r,
                     out + b * kBlockCols);
  }
}

}  // namespace lowkey::engine
