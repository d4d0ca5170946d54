// Layout of repacked weights: panels of 16 rows, so that one vector instruction works on one
// column group of 16 output rows and no kernel ever sums across lanes.
//
// A weight matrix [n_rows, n_cols] is cut into panels of kPanelRows rows (the last one padded with
// zero rows). Quantised panels are cut again into blocks of kBlockCols columns:
//   w[row, col] = scale[row, block] * (code[row, col] - offset) + minimum[row, block]
// and a block is stored as, in this order:
//   f16 scale[n_sub][16]        n_sub = 32 / format.scale_cols (1, or 2 for Q6_K)
//   f16 minimum[16]             only if format.has_minimum
//   the codes, as "vectors" v = 0..7 of 64 bytes: byte 4 r + c of vector v is row r, column 4 v + c
//     kU4: 4 x 64 bytes; byte of vector v (v < 4) in the low nibble, of vector v + 4 in the high
//     kU5: as kU4, then 64 bytes whose bit v is bit 4 of the code in vector v
//     kU6: as kU4, then 2 x 64 bytes; bits 2 (v % 4), +1 of part v / 4 are bits 4, 5 of vector v
//     kU8: 8 x 64 bytes
// This order of bytes is what one dot-product instruction (4 products added into each 32-bit lane:
// VNNI vpdpbusd, NEON sdot) consumes with the activations of 4 columns broadcast.
// Float panels (kF32, kF16, kBF16) hold [n_cols][16] elements.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/view.h"

namespace lowkey::simd {

constexpr int kPanelRows = 16;
constexpr int kBlockCols = 32;

enum class PanelType : uint8_t { kU4, kU5, kU6, kU8, kF16, kBF16, kF32 };

struct PanelFormat {
  PanelType type = PanelType::kF32;
  int offset = 0;            // subtracted from the code: 8 for Q4_0, 128 for Q8_0, 0 with a minimum
  bool has_minimum = false;  // Q4_1, Q5_1, Q4_K, Q5_K
  int scale_cols = 32;       // columns per scale: 32, or 16 for Q6_K

  constexpr bool is_float() const { return type >= PanelType::kF16; }
};

/// Bytes of the code vectors of one block (quantised types).
constexpr int64_t code_bytes(PanelType type) {
  switch (type) {
    case PanelType::kU4:
      return 256;
    case PanelType::kU5:
      return 320;
    case PanelType::kU6:
      return 384;
    case PanelType::kU8:
      return 512;
    default:
      return 0;
  }
}

constexpr int64_t block_bytes(const PanelFormat& f) {
  return code_bytes(f.type) +
         2 * kPanelRows * (kBlockCols / f.scale_cols + (f.has_minimum ? 1 : 0));
}

/// Bytes of one panel: 16 rows of `n_cols` (a multiple of 32 for quantised types).
constexpr int64_t panel_bytes(const PanelFormat& f, int64_t n_cols) {
  if (f.is_float()) return n_cols * kPanelRows * (f.type == PanelType::kF32 ? 4 : 2);
  return n_cols / kBlockCols * block_bytes(f);
}

struct PanelMatrix {
  PanelFormat format;
  int64_t n_rows = 0;
  int64_t n_cols = 0;
  const std::byte* data = nullptr;  // ceil(n_rows / 16) panels
  // What whoever multiplies the last of some panels reads next, a hint: asked for as these end.
  // nullptr: what lies behind them.
  const std::byte* next = nullptr;

  int64_t n_panels() const { return ceil_div(n_rows, kPanelRows); }
  const std::byte* panel(int64_t i) const { return data + i * panel_bytes(format, n_cols); }
};

/// Activations of `n_tokens` rows as integers, per block of 32 columns:
///   x[t, c] ~ scale[t, c / 32] * (128 * hi[t, c] + lo[t, c]),  |hi| <= 127, -64 <= lo <= 63.
/// 15 bits cost two dot products per weight vector, and make quantised decode as good as float
/// (8 bits shift the log-probabilities of small models by 0.1).
/// kernels that are given lo == nullptr use hi alone: x ~ scale * 128 * hi.
struct Activations {
  int64_t n_tokens = 0;
  int64_t n_cols = 0;      // multiple of 32
  int8_t* hi = nullptr;    // [n_tokens, n_cols]
  int8_t* lo = nullptr;    // [n_tokens, n_cols] or nullptr
  float* scale = nullptr;  // [n_tokens, n_cols / 32]
  int32_t* sum = nullptr;  // [n_tokens, n_cols / 16]: sums of 128 hi + lo over 16 columns
};

}  // namespace lowkey::simd
