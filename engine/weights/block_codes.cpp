// Layouts as in ggml-common.h's block_q* structures.
#include "engine/weights/block_codes.h"

#include <cstring>

#include "base/half.h"

namespace lowkey::engine {

namespace {

using simd::PanelFormat;
using simd::PanelType;

const uint8_t* bytes_of(const std::byte* p) { return reinterpret_cast<const uint8_t*>(p); }

float half_at(const uint8_t* p) {
  uint16_t h;
  std::memcpy(&h, p, 2);
  return f16_to_f32(h);
}

void set_scale(BlockCodes& b, float scale, float minimum) {
  b.scale[0] = b.scale[1] = scale;
  b.minimum = minimum;
}

/// 16 bytes hold codes 0..15 in the low nibbles and 16..31 in the high ones.
void read_nibbles(const uint8_t* q, uint8_t* code) {
  for (int j = 0; j < 16; ++j) {
    code[j] = q[j] & 15;
    code[j + 16] = q[j] >> 4;
  }
}

void add_fifth_bits(const uint8_t* bits, uint8_t* code) {
  uint32_t high;
  std::memcpy(&high, bits, 4);
  for (int j = 0; j < 32; ++j) code[j] = uint8_t(code[j] | ((high >> j & 1) << 4));
}

/// The 6-bit scale and minimum of sub-block j (0..7), packed in 12 bytes.
void k_scale(const uint8_t* packed, int j, int& scale, int& minimum) {
  if (j < 4) {
    scale = packed[j] & 63;
    minimum = packed[j + 4] & 63;
  } else {
    scale = (packed[j + 4] & 15) | (packed[j - 4] >> 6 << 4);
    minimum = (packed[j + 4] >> 4) | (packed[j] >> 6 << 4);
  }
}

/// Q4_K: d, dmin, scales[12], 128 bytes of nibbles; Q5_K has 32 bytes of fifth bits before those.
BlockCodes read_q45_k(const uint8_t* super, int sub, bool five) {
  BlockCodes b;
  int scale, minimum;
  k_scale(super + 4, sub, scale, minimum);
  set_scale(b, half_at(super) * float(scale), -half_at(super + 2) * float(minimum));
  const uint8_t* high = super + 16;
  const uint8_t* q = super + (five ? 48 : 16) + sub / 2 * 32;
  for (int c = 0; c < 32; ++c) {
    b.code[c] = sub % 2 == 0 ? q[c] & 15 : q[c] >> 4;
    if (five) b.code[c] = uint8_t(b.code[c] | ((high[c] >> sub & 1) << 4));
  }
  return b;
}

/// Q6_K: 128 bytes of low nibbles, 64 of high pairs, 16 signed scales, d.
BlockCodes read_q6_k(const uint8_t* super, int sub) {
  BlockCodes b;
  const int half = sub / 4, quarter = sub % 4;  // 128 columns share 64 + 32 bytes
  const uint8_t* low = super + half * 64 + quarter % 2 * 32;
  const uint8_t* high = super + 128 + half * 32;
  for (int c = 0; c < 32; ++c) {
    const int nibble = quarter < 2 ? low[c] & 15 : low[c] >> 4;
    b.code[c] = uint8_t(nibble | ((high[c] >> (2 * quarter) & 3) << 4));
  }
  const auto* scales = reinterpret_cast<const int8_t*>(super + 192);
  const float d = half_at(super + 208);
  b.scale[0] = d * float(scales[2 * sub]);
  b.scale[1] = d * float(scales[2 * sub + 1]);
  b.minimum = 0.0f;
  return b;
}

}  // namespace

PanelFormat panel_format(DType type) {
  switch (type) {
    case DType::kF32:
      return {PanelType::kF32, 0, false, 32};
    case DType::kF16:
      return {PanelType::kF16, 0, false, 32};
    case DType::kBF16:
      return {PanelType::kBF16, 0, false, 32};
    case DType::kQ8_0:
      return {PanelType::kU8, 128, false, 32};
    case DType::kQ4_0:
      return {PanelType::kU4, 8, false, 32};
    case DType::kQ4_1:
    case DType::kQ4_K:
      return {PanelType::kU4, 0, true, 32};
    case DType::kQ5_0:
      return {PanelType::kU5, 16, false, 32};
    case DType::kQ5_1:
    case DType::kQ5_K:
      return {PanelType::kU5, 0, true, 32};
    case DType::kQ6_K:
      return {PanelType::kU6, 32, false, 16};
  }
  return {};
}

BlockCodes read_block(DType type, const std::byte* row, int64_t i) {
  const DTypeInfo info = dtype_info(type);
  const int64_t per_block = info.block_elements / 32;
  const uint8_t* p = bytes_of(row) + i / per_block * info.block_bytes;
  BlockCodes b{};
  switch (type) {
    case DType::kQ8_0:
      set_scale(b, half_at(p), 0.0f);
      for (int c = 0; c < 32; ++c) b.code[c] = uint8_t(p[2 + c] ^ 0x80);  // + 128
      break;
    case DType::kQ4_0:
      set_scale(b, half_at(p), 0.0f);
      read_nibbles(p + 2, b.code);
      break;
    case DType::kQ4_1:
      set_scale(b, half_at(p), half_at(p + 2));
      read_nibbles(p + 4, b.code);
      break;
    case DType::kQ5_0:
      set_scale(b, half_at(p), 0.0f);
      read_nibbles(p + 6, b.code);
      add_fifth_bits(p + 2, b.code);
      break;
    case DType::kQ5_1:
      set_scale(b, half_at(p), half_at(p + 2));
      read_nibbles(p + 8, b.code);
      add_fifth_bits(p + 4, b.code);
      break;
    case DType::kQ4_K:
      return read_q45_k(p, int(i % 8), false);
    case DType::kQ5_K:
      return read_q45_k(p, int(i % 8), true);
    case DType::kQ6_K:
      return read_q6_k(p, int(i % 8));
    default:
      break;
  }
  return b;
}

}  // namespace lowkey::engine
