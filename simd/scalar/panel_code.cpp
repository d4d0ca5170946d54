#include "simd/scalar/panel_code.h"

#include <cstring>

#include "base/half.h"

namespace lowkey::simd::scalar {

namespace {

template <class T>
T element(const std::byte* base, int64_t i) {
  T value;
  std::memcpy(&value, base + i * int64_t{sizeof(T)}, sizeof(T));
  return value;
}

/// Code of byte `i` (0..63) of vector `v` (0..7).
int code_at(PanelType type, const std::byte* codes, int v, int i) {
  const auto byte = [&](int at) { return int(codes[at]); };
  if (type == PanelType::kU8) return byte(64 * v + i);
  int code = (byte(64 * (v % 4) + i) >> (v < 4 ? 0 : 4)) & 15;
  if (type == PanelType::kU5) code += ((byte(256 + i) >> v) & 1) << 4;
  if (type == PanelType::kU6) code += ((byte(256 + 64 * (v / 4) + i) >> (2 * (v % 4))) & 3) << 4;
  return code;
}

}  // namespace

double weight_at(const PanelMatrix& w, int64_t row, int64_t col) {
  const PanelFormat& f = w.format;
  const std::byte* panel = w.panel(row / kPanelRows);
  const int r = int(row % kPanelRows);
  if (f.type == PanelType::kF32) return element<float>(panel, col * kPanelRows + r);
  if (f.type == PanelType::kF16) return f16_to_f32(element<uint16_t>(panel, col * kPanelRows + r));
  if (f.type == PanelType::kBF16)
    return bf16_to_f32(element<uint16_t>(panel, col * kPanelRows + r));

  const std::byte* block = panel + col / kBlockCols * block_bytes(f);
  const int c = int(col % kBlockCols), n_scales = kBlockCols / f.scale_cols;
  const double scale = f16_to_f32(element<uint16_t>(block, c / f.scale_cols * kPanelRows + r));
  const double minimum =
      f.has_minimum ? f16_to_f32(element<uint16_t>(block, n_scales * kPanelRows + r)) : 0.0;
  const std::byte* codes = block + 2 * kPanelRows * (n_scales + (f.has_minimum ? 1 : 0));
  return scale * (code_at(f.type, codes, c / 4, 4 * r + c % 4) - f.offset) + minimum;
}

}  // namespace lowkey::simd::scalar
