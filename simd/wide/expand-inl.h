// Columns of a panel as floats [n_cols][16]: what the float ops work on, whatever the format.
#pragma once

#include <cstring>

#include "simd/panel.h"

namespace lowkey::simd::wide {
namespace {

/// Codes of one block, one byte each, in the order of the vectors: [8][64].
inline void expand_codes(PanelType type, const std::byte* codes, uint8_t* out) {
  const auto* in = reinterpret_cast<const uint8_t*>(codes);
  if (type == PanelType::kU8) {
    std::memcpy(out, in, 512);
    return;
  }
  for (int i = 0; i < 256; ++i) {
    out[i] = in[i] & 15;
    out[256 + i] = in[i] >> 4;
  }
  for (int v = 0; v < 8 && type == PanelType::kU5; ++v) {
    for (int i = 0; i < 64; ++i) out[64 * v + i] |= uint8_t(((in[256 + i] >> v) & 1) << 4);
  }
  for (int v = 0; v < 8 && type == PanelType::kU6; ++v) {
    const uint8_t* high = in + 256 + 64 * (v / 4);
    for (int i = 0; i < 64; ++i) out[64 * v + i] |= uint8_t(((high[i] >> 2 * (v % 4)) & 3) << 4);
  }
}

/// One quantised block to out [32][16].
template <class Isa>
void expand_block(const PanelFormat& f, const std::byte* block, float* out) {
  using Float = typename Isa::Float;
  using Int = typename Isa::Int;
  const int n_scales = kBlockCols / f.scale_cols;
  const auto* scales = reinterpret_cast<const uint16_t*>(block);
  const uint16_t* minima = scales + n_scales * kPanelRows;
  alignas(64) uint8_t codes[512];
  expand_codes(f.type, block + 2 * kPanelRows * (n_scales + (f.has_minimum ? 1 : 0)), codes);
  for (int r = 0; r < kPanelRows; r += Isa::kLanes) {
    const Float minimum = f.has_minimum ? Isa::load_f16(minima + r) : Float(0.0f);
    for (int c = 0; c < kBlockCols; ++c) {
      const Float scale = Isa::load_f16(scales + c / f.scale_cols * kPanelRows + r);
      const auto* four = reinterpret_cast<const int32_t*>(codes + 64 * (c / 4) + 4 * r);
      const Int code = (Int::load_aligned(four) >> (8 * (c % 4))) & Int(255);
      const Float centred = xsimd::to_float(code - Int(f.offset));
      Isa::mul_add(scale, centred, minimum).store_unaligned(out + c * kPanelRows + r);
    }
  }
}

/// Columns [cols.begin, cols.end) of a panel as floats [][16]: a pointer into the panel where it
/// holds floats, else `scratch`, filled. Quantised formats: `cols` covers whole blocks.
template <class Isa>
const float* expand(const PanelFormat& f, const std::byte* panel, Range cols, float* scratch) {
  if (f.type == PanelType::kF32) {
    return reinterpret_cast<const float*>(panel) + cols.begin * kPanelRows;
  }
  if (f.is_float()) {
    const auto* half = reinterpret_cast<const uint16_t*>(panel) + cols.begin * kPanelRows;
    for (int64_t i = 0; i < cols.size() * kPanelRows; i += Isa::kLanes) {
      const auto value =
          f.type == PanelType::kF16 ? Isa::load_f16(half + i) : Isa::load_bf16(half + i);
      value.store_unaligned(scratch + i);
    }
    return scratch;
  }
  for (int64_t c = cols.begin; c < cols.end; c += kBlockCols) {
    const std::byte* block = panel + c / kBlockCols * block_bytes(f);
    expand_block<Isa>(f, block, scratch + (c - cols.begin) * kPanelRows);
  }
  return scratch;
}

constexpr int64_t kSlabCols = 256;  // 16 KiB of floats: half of a small first-level cache

}  // namespace
}  // namespace lowkey::simd::wide
