#include "tests/support/random_panels.h"

#include <cmath>
#include <cstring>

#include "base/half.h"

namespace lowkey::testing {

namespace {

using simd::kBlockCols;
using simd::kPanelRows;
using simd::PanelFormat;
using simd::PanelType;

template <class T>
void put(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

int largest_code(PanelType type) {
  switch (type) {
    case PanelType::kU4:
      return 15;
    case PanelType::kU5:
      return 31;
    case PanelType::kU6:
      return 63;
    default:
      return 255;
  }
}

void or_bits(std::byte& byte, int bits) { byte |= std::byte(bits); }

/// The planes of panel.h, written out once more from its text.
void put_code(PanelType type, std::byte* codes, int r, int c, int code) {
  const int v = c / 4, i = 4 * r + c % 4;
  if (type == PanelType::kU8) return or_bits(codes[64 * v + i], code);
  or_bits(codes[64 * (v & 3) + i], v < 4 ? code & 15 : (code & 15) << 4);
  if (type == PanelType::kU5) or_bits(codes[256 + i], (code >> 4) << v);
  if (type == PanelType::kU6) or_bits(codes[256 + 64 * (v >> 2) + i], (code >> 4) << 2 * (v & 3));
}

float random_half(std::mt19937& random, std::byte* at) {
  const uint16_t half = f32_to_f16(random_float(random));
  put(at, half);
  return f16_to_f32(half);
}

void fill_block_row(RandomPanels& p, int64_t row, int64_t block, std::mt19937& random) {
  const PanelFormat& f = p.view.format;
  const int r = int(row % kPanelRows), n_scales = kBlockCols / f.scale_cols;
  std::byte* at =
      p.bytes.data() + row / kPanelRows * panel_bytes(f, p.view.n_cols) + block * block_bytes(f);
  float scale[2] = {}, minimum = 0;
  for (int i = 0; i < n_scales; ++i, at += 32) scale[i] = random_half(random, at + 2 * r);
  if (f.has_minimum) {
    minimum = random_half(random, at + 2 * r);
    at += 32;
  }
  for (int c = 0; c < kBlockCols; ++c) {
    const int code = int(random() % uint32_t(largest_code(f.type) + 1));
    put_code(f.type, at, r, c, code);
    const double part = double(scale[c / f.scale_cols]) * (code - f.offset);
    const int64_t index = row * p.view.n_cols + block * kBlockCols + c;
    p.weight[size_t(index)] = part + minimum;
    p.magnitude[size_t(index)] = std::abs(part) + std::abs(minimum);
  }
}

void fill_float(RandomPanels& p, int64_t row, int64_t col, std::mt19937& random) {
  const PanelFormat& f = p.view.format;
  const int64_t i = col * kPanelRows + row % kPanelRows;
  std::byte* panel = p.bytes.data() + row / kPanelRows * panel_bytes(f, p.view.n_cols);
  float value = random_float(random);
  if (f.type == PanelType::kF32) put(panel + 4 * i, value);
  if (f.type == PanelType::kF16) value = random_half(random, panel + 2 * i);
  if (f.type == PanelType::kBF16) {
    put(panel + 2 * i, f32_to_bf16(value));
    value = bf16_to_f32(f32_to_bf16(value));
  }
  p.weight[size_t(row * p.view.n_cols + col)] = value;
  p.magnitude[size_t(row * p.view.n_cols + col)] = std::abs(value);
}

}  // namespace

std::vector<NamedFormat> quantised_formats() {
  return {{"Q4_0", {PanelType::kU4, 8, false, 32}},  {"Q4_1", {PanelType::kU4, 0, true, 32}},
          {"Q5_0", {PanelType::kU5, 16, false, 32}}, {"Q5_1", {PanelType::kU5, 0, true, 32}},
          {"Q6_K", {PanelType::kU6, 32, false, 16}}, {"Q8_0", {PanelType::kU8, 128, false, 32}}};
}

std::vector<NamedFormat> all_formats() {
  std::vector<NamedFormat> formats = quantised_formats();
  formats.push_back({"F32", {PanelType::kF32, 0, false, 32}});
  formats.push_back({"F16", {PanelType::kF16, 0, false, 32}});
  formats.push_back({"BF16", {PanelType::kBF16, 0, false, 32}});
  return formats;
}

RandomPanels random_panels(const PanelFormat& format, int64_t n_rows, int64_t n_cols,
                           uint32_t seed) {
  std::mt19937 random(seed);
  RandomPanels p;
  p.view = {format, n_rows, n_cols, nullptr};
  p.bytes.resize(size_t(p.view.n_panels() * panel_bytes(format, n_cols)));
  p.view.data = p.bytes.data();
  p.weight.resize(size_t(n_rows * n_cols));
  p.magnitude.resize(size_t(n_rows * n_cols));
  for (int64_t row = 0; row < n_rows; ++row) {
    for (int64_t i = 0; format.is_float() && i < n_cols; ++i) fill_float(p, row, i, random);
    for (int64_t b = 0; !format.is_float() && b < n_cols / kBlockCols; ++b) {
      fill_block_row(p, row, b, random);
    }
  }
  return p;
}

float random_float(std::mt19937& random) { return float(int32_t(random())) * 0x1p-31f; }

std::vector<float> random_floats(int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = random_float(random);
  return values;
}

}  // namespace lowkey::testing
