// Rounding rules of the KV block types, one block of 32 coordinates at a time (kv_tile.h).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/half.h"

namespace lowkey::simd::scalar {

constexpr int kKvBlock = 32;
constexpr float kMaxHalf = 65504;

/// One quantised block: stored scale and the codes (q8_0: signed; q4_0: 0..15).
struct KvBlock {
  uint16_t scale = 0;
  int8_t code[kKvBlock] = {};
};

/// 1 / scale, or 0 where the stored scale is zero: then every code is that of zero.
inline float inverse_scale(float scale, uint16_t stored) {
  return (stored & 0x7fff) == 0 ? 0.0f : 1.0f / scale;
}

/// scale = max|x| / 127, codes rounded to nearest even. Scales beyond f16 saturate.
inline KvBlock encode_q8_0(const float* x) {
  float largest = 0;
  for (int i = 0; i < kKvBlock; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float scale = std::min(largest / 127, kMaxHalf);
  KvBlock block{f32_to_f16(scale), {}};
  const float inverse = inverse_scale(scale, block.scale);
  for (int i = 0; i < kKvBlock; ++i) {
    const float code = std::nearbyint(x[i] * inverse);
    block.code[i] = int8_t(std::clamp(code, -127.0f, 127.0f));
  }
  return block;
}

/// scale = (first entry of largest magnitude) / -8, code = floor(x / scale + 8.5) in 0..15.
inline KvBlock encode_q4_0(const float* x) {
  float largest = 0;
  for (int i = 0; i < kKvBlock; ++i) {
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
  }
  const float scale = std::clamp(largest / -8, -kMaxHalf, kMaxHalf);
  KvBlock block{f32_to_f16(scale), {}};
  const float inverse = inverse_scale(scale, block.scale);
  for (int i = 0; i < kKvBlock; ++i) {
    const float code = std::floor(x[i] * inverse + 8.5f);
    block.code[i] = int8_t(std::clamp(code, 0.0f, 15.0f));
  }
  return block;
}

}  // namespace lowkey::simd::scalar
