// Elements of KV tiles as vectors of floats (layouts: simd/kv_tile.h).
#pragma once

#include "simd/kv_tile.h"
#include "simd/wide/lanes.h"

namespace lowkey::simd::wide {
namespace {

constexpr int kKvBlock = 32;

template <class Arch, KvType kType>
struct KvCodec {
  using V = Vec<Arch>;
  using L = Lanes<Arch>;
  static constexpr bool kHasBlocks = kType == KvType::kQ8_0 || kType == KvType::kQ4_0;
  /// Coordinates in one stored byte or element of a row.
  static constexpr int kPerCode = kType == KvType::kQ4_0 ? 2 : 1;
  static constexpr int kCodeBytes = kType == KvType::kF32 ? 4 : kHasBlocks ? 1 : 2;

  /// W stored elements; for nibbles half 0 or 1 of each byte. Quantised: without the scale.
  static V load(const std::byte* at, int half = 0) {
    const auto* halves = reinterpret_cast<const uint16_t*>(at);
    if constexpr (kType == KvType::kF32)
      return V::load_unaligned(reinterpret_cast<const float*>(at));
    if constexpr (kType == KvType::kF16) return L::f16(halves);
    if constexpr (kType == KvType::kBF16) return L::bf16(halves);
    if constexpr (kType == KvType::kQ8_0) return L::i8(reinterpret_cast<const int8_t*>(at));
    if constexpr (kType == KvType::kQ4_0) {
      return L::nibble(reinterpret_cast<const uint8_t*>(at), 4 * half);
    }
  }

  /// Bytes of scales in front of the codes of a part.
  static int64_t scale_bytes(int d) {
    return kHasBlocks ? int64_t{2} * kTileTokens * (d / kKvBlock) : 0;
  }

  /// `kCount` vectors of token t from column `col` on (a multiple of kCount * W, which divides 32
  /// or is a multiple of it), scales applied.
  template <int kCount>
  static void values(const std::byte* part, int d, int t, int col, V* out) {
    constexpr int kW = kLanes<Arch>;
    if constexpr (!kHasBlocks) {
      const std::byte* row = part + (int64_t{t} * d + col) * kCodeBytes;
      for (int j = 0; j < kCount; ++j) out[j] = load(row + j * kW * kCodeBytes);
    } else {
      const auto* scales = reinterpret_cast<const uint16_t*>(part) + t * (d / kKvBlock);
      // Within a block when the vectors do not fill one: known to be 0 where they do.
      const int inside = kCount * kW % kKvBlock == 0 ? 0 : col % kKvBlock;
      const int block = col / kKvBlock;
      const std::byte* row = part + scale_bytes(d) + (int64_t{t} * d + block * kKvBlock) / kPerCode;
      for (int j = 0; j < kCount; ++j) {
        const int i = inside + j * kW, in_block = i % kKvBlock, next = i / kKvBlock;
        const int half = kPerCode == 2 ? in_block / 16 : 0;
        const int byte = next * (kKvBlock / kPerCode) + (kPerCode == 2 ? in_block % 16 : in_block);
        out[j] = load(row + byte, half) * L::broadcast_f16(scales[block + next]);
      }
    }
  }
};

}  // namespace
}  // namespace lowkey::simd::wide
