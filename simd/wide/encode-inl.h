// One token into a KV tile. Rounding rules: simd/kv_tile.h; bit for bit those of the scalar set.
#pragma once

#include "simd/kv_tile.h"
#include "simd/wide/lanes.h"

namespace lowkey::simd::wide {
namespace {

constexpr int kEncodeBlock = 32;
constexpr float kLargestHalf = 65504;

template <class Arch>
inline uint16_t to_half(float x) {
  uint16_t halves[kLanes<Arch>];
  Lanes<Arch>::store_f16(halves, Vec<Arch>(x));
  return halves[0];
}

/// W floats rounded to bf16 in the low halves; NaN stays quiet.
template <class Arch>
inline void store_bf16(uint16_t* out, Vec<Arch> x) {
  using Int = xsimd::batch<int32_t, Arch>;
  const Int bits = xsimd::bitwise_cast<Int>(x), high = bits >> 16;
  const Int rounded = (bits + Int(0x7fff) + (high & Int(1))) >> 16;
  alignas(64) int32_t lanes[kLanes<Arch>];
  const Vec<Arch> chosen = xsimd::select(x != x, xsimd::bitwise_cast<Vec<Arch>>(high | Int(0x40)),
                                         xsimd::bitwise_cast<Vec<Arch>>(rounded));
  xsimd::bitwise_cast<Int>(chosen).store_aligned(lanes);
  for (int i = 0; i < kLanes<Arch>; ++i) out[i] = uint16_t(lanes[i]);
}

/// The scale of one block, and codes of 32 floats as whole numbers.
template <class Arch>
struct BlockCodes {
  uint16_t scale;
  alignas(64) float code[kEncodeBlock];
};

/// Largest magnitude of 32 floats.
template <class Arch>
inline float largest_magnitude(const float* x) {
  Vec<Arch> largest(0.0f);
  for (int i = 0; i < kEncodeBlock; i += kLanes<Arch>) {
    largest = xsimd::max(largest, xsimd::abs(load<Arch>(x + i)));
  }
  return Lanes<Arch>::max(largest);
}

template <class Arch>
inline void code_q8_0(const float* x, BlockCodes<Arch>& block) {
  const float exact = largest_magnitude<Arch>(x) / 127;
  const float scale = exact < kLargestHalf ? exact : kLargestHalf;
  block.scale = to_half<Arch>(scale);
  const Vec<Arch> inverse((block.scale & 0x7fff) == 0 ? 0.0f : 1.0f / scale);
  const Vec<Arch> low(-127.0f), high(127.0f);
  for (int i = 0; i < kEncodeBlock; i += kLanes<Arch>) {
    const Vec<Arch> code = xsimd::nearbyint(load<Arch>(x + i) * inverse);
    xsimd::min(high, xsimd::max(low, code)).store_aligned(block.code + i);
  }
}

template <class Arch>
inline void code_q4_0(const float* x, BlockCodes<Arch>& block) {
  const float magnitude = largest_magnitude<Arch>(x);
  float largest = 0;
  for (int i = kEncodeBlock - 1; i >= 0 && magnitude > 0; --i) {
    if (x[i] == magnitude || x[i] == -magnitude) largest = x[i];
  }
  const float exact = largest / -8;
  const float bounded = exact < kLargestHalf ? exact : kLargestHalf;
  const float scale = bounded > -kLargestHalf ? bounded : -kLargestHalf;
  block.scale = to_half<Arch>(scale);
  const Vec<Arch> inverse((block.scale & 0x7fff) == 0 ? 0.0f : 1.0f / scale);
  const Vec<Arch> low(0.0f), high(15.0f);
  for (int i = 0; i < kEncodeBlock; i += kLanes<Arch>) {
    const Vec<Arch> code = xsimd::floor(load<Arch>(x + i) * inverse + Vec<Arch>(8.5f));
    xsimd::min(high, xsimd::max(low, code)).store_aligned(block.code + i);
  }
}

/// Elements of x to at[0], at[step], ...
template <class Arch, class T>
inline void encode_floats(KvType type, const float* x, int d, T* at, int step) {
  constexpr int kW = kLanes<Arch>;
  alignas(64) T words[kW];
  for (int i = 0; i < d; i += kW) {
    const int n = d - i < kW ? d - i : kW;
    const Vec<Arch> v = n == kW ? load<Arch>(x + i) : load_part<Arch>(x + i, n);
    if constexpr (sizeof(T) == 4) {
      v.store_aligned(words);
    } else if (type == KvType::kF16) {
      Lanes<Arch>::store_f16(words, v);
    } else {
      store_bf16<Arch>(words, v);
    }
    for (int j = 0; j < n; ++j) at[int64_t{i + j} * step] = words[j];
  }
}

/// Where a token's scales and codes go: first place, and the step to the next.
struct TokenPlace {
  uint16_t* scale;
  int scale_step;
  uint8_t* code;
  int code_step;
};

template <class Arch>
inline void encode_blocks(KvType type, const float* x, int d, TokenPlace to) {
  BlockCodes<Arch> block;
  for (int b = 0; b < d / kEncodeBlock; ++b, x += kEncodeBlock) {
    if (type == KvType::kQ8_0) {
      code_q8_0<Arch>(x, block);
    } else {
      code_q4_0<Arch>(x, block);
    }
    const int n_bytes = type == KvType::kQ8_0 ? kEncodeBlock : kEncodeBlock / 2;
    for (int i = 0; i < n_bytes; ++i, to.code += to.code_step) {
      const int high = type == KvType::kQ8_0 ? 0 : int(block.code[i + kEncodeBlock / 2]);
      *to.code = uint8_t(int(block.code[i]) | high << 4);
    }
    to.scale[b * to.scale_step] = block.scale;
  }
}

template <class Arch>
inline void encode_k(KvType type, const float* k, int d, int t, std::byte* part) {
  if (type == KvType::kF32) {
    return encode_floats<Arch>(type, k, d, reinterpret_cast<float*>(part) + t, kTileTokens);
  }
  if (type == KvType::kF16 || type == KvType::kBF16) {
    return encode_floats<Arch>(type, k, d, reinterpret_cast<uint16_t*>(part) + t, kTileTokens);
  }
  auto* scales = reinterpret_cast<uint16_t*>(part);
  auto* codes = reinterpret_cast<uint8_t*>(scales + kTileTokens * (d / kEncodeBlock));
  encode_blocks<Arch>(type, k, d, {scales + t, kTileTokens, codes + t, kTileTokens});
}

template <class Arch>
inline void encode_v(KvType type, const float* v, int d, int t, std::byte* part) {
  const int64_t row = int64_t{t} * d;
  if (type == KvType::kF32) {
    return encode_floats<Arch>(type, v, d, reinterpret_cast<float*>(part) + row, 1);
  }
  if (type == KvType::kF16 || type == KvType::kBF16) {
    return encode_floats<Arch>(type, v, d, reinterpret_cast<uint16_t*>(part) + row, 1);
  }
  const int n_blocks = d / kEncodeBlock;
  auto* scales = reinterpret_cast<uint16_t*>(part);
  auto* codes = reinterpret_cast<uint8_t*>(scales + kTileTokens * n_blocks);
  codes += type == KvType::kQ8_0 ? row : row / 2;
  encode_blocks<Arch>(type, v, d, {scales + t * n_blocks, 1, codes, 1});
}

}  // namespace
}  // namespace lowkey::simd::wide
