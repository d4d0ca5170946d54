// A chunk of tiles of any type as f32 tiles: many queries then share one conversion.
#pragma once

#include "simd/wide/kv_codec-inl.h"

namespace lowkey::simd::wide {
namespace {

/// n stored elements (a multiple of W) of a type without blocks.
template <class Codec>
inline void convert_floats(const std::byte* in, int64_t n, float* out) {
  constexpr int64_t kW = int64_t(Codec::V::size);
  for (int64_t i = 0; i < n; i += kW) {
    Codec::load(in + i * Codec::kCodeBytes).store_unaligned(out + i);
  }
}

/// K part to out [d][16].
template <class Codec>
inline void convert_k(const std::byte* part, int d, float* out) {
  if constexpr (!Codec::kHasBlocks) return convert_floats<Codec>(part, int64_t{d} * 16, out);
  constexpr int kW = int(Codec::V::size), kRows = kKvBlock / Codec::kPerCode;
  const std::byte* row = part + Codec::scale_bytes(d);
  for (int b = 0; b < d / kKvBlock; ++b, out += kKvBlock * kTileTokens) {
    const auto* scales = reinterpret_cast<const uint16_t*>(part) + b * kTileTokens;
    for (int t = 0; t < kTileTokens; t += kW) {
      const auto scale = Codec::L::f16(scales + t);
      for (int r = 0; r < kRows * Codec::kPerCode; ++r) {
        const std::byte* codes = row + r % kRows * kTileTokens + t;
        (Codec::load(codes, r / kRows) * scale).store_unaligned(out + r * kTileTokens + t);
      }
    }
    row += kRows * kTileTokens;
  }
}

/// V part to out [16][d].
template <class Codec>
inline void convert_v(const std::byte* part, int d, float* out) {
  if constexpr (!Codec::kHasBlocks) return convert_floats<Codec>(part, int64_t{d} * 16, out);
  constexpr int kW = int(Codec::V::size), kCount = kKvBlock / kW;
  for (int t = 0; t < kTileTokens; ++t) {
    for (int col = 0; col < d; col += kKvBlock, out += kKvBlock) {
      typename Codec::V value[kCount];
      Codec::template values<kCount>(part, d, t, col, value);
      for (int j = 0; j < kCount; ++j) value[j].store_unaligned(out + j * kW);
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
