// Scores of a few queries against a chunk of K tiles: 16 tokens side by side in vectors, so that
// nothing is ever summed across lanes. Sums stay in registers; types convert on load.
#pragma once

#include "simd/wide/kv_codec-inl.h"

namespace lowkey::simd::wide {
namespace {

constexpr int kChunkTiles = 4;
constexpr int kChunkTokens = kChunkTiles * kTileTokens;

/// How one group of kQueries queries walks over tiles. kStream: the tiles come from memory, so ask
/// for the next chunk while working on this one.
template <class ArchT, KvType kTypeV, int kQueriesV, bool kStreamV>
struct AttendPlan {
  using Arch = ArchT;
  using Codec = KvCodec<Arch, kTypeV>;
  static constexpr int kQueries = kQueriesV;
  static constexpr bool kStream = kStreamV;
  /// Vectors of tokens (scores) or of columns (values) per query: as many sums as registers hold.
  static constexpr int kVectors = kQueries * 4 <= Lanes<Arch>::kAccumulators ? 4 : 2;
};

template <bool kStream>
inline void prefetch(const std::byte* at) {
  if constexpr (kStream) __builtin_prefetch(at, 0, 3);
}

/// out [kQueries][kChunkTokens] of kVectors vectors of tokens, from tile `k` on.
template <class Plan, int kVectors>
inline void score_tiles(const KvRun& chunk, int tile, const float* q, int d, float* out) {
  using Codec = typename Plan::Codec;
  using V = Vec<typename Plan::Arch>;
  constexpr int kW = int(V::size), kPerTile = kTileTokens / kW, kN = Plan::kQueries;
  constexpr int kRowBytes = kTileTokens * Codec::kCodeBytes;
  constexpr int kRowsPerLine = 64 / kRowBytes;
  const std::byte* part = chunk.k + tile * chunk.tile_stride;
  const int n_blocks = Codec::kHasBlocks ? d / kKvBlock : 1;
  const int n_rows = Codec::kHasBlocks ? kKvBlock / Codec::kPerCode : d;
  const std::byte* row = part + Codec::scale_bytes(d);
  out += tile * kTileTokens;
  for (int b = 0; b < n_blocks; ++b) {
    V sum[kN][kVectors];
    for (int i = 0; i < kN; ++i) {
      for (int v = 0; v < kVectors; ++v) sum[i][v] = V(0.0f);
    }
    const float* q_row = q + b * kKvBlock;
    for (int r = 0; r < n_rows; ++r, row += kRowBytes, ++q_row) {
      for (int v = 0; v < kVectors && r % kRowsPerLine == 0; v += kPerTile) {
        prefetch<Plan::kStream>(row + (v / kPerTile + kChunkTiles) * chunk.tile_stride);
      }
      for (int half = 0; half < Codec::kPerCode; ++half) {
        for (int v = 0; v < kVectors; ++v) {
          const V key = Codec::load(
              row + v / kPerTile * chunk.tile_stride + v % kPerTile * kW * Codec::kCodeBytes, half);
          for (int i = 0; i < kN; ++i) {
            sum[i][v] =
                mul_add<typename Plan::Arch>(V(q_row[int64_t{i} * d + 16 * half]), key, sum[i][v]);
          }
        }
      }
    }
    for (int v = 0; v < kVectors; ++v) {
      V scale(1.0f);
      if constexpr (Codec::kHasBlocks) {
        const std::byte* scales = part + v / kPerTile * chunk.tile_stride + b * 2 * kTileTokens;
        scale = Lanes<typename Plan::Arch>::f16(reinterpret_cast<const uint16_t*>(scales) +
                                                v % kPerTile * kW);
      }
      for (int i = 0; i < kN; ++i) {
        float* to = out + i * kChunkTokens + v * kW;
        const V before = b == 0 ? V(0.0f) : V::load_unaligned(to);
        mul_add<typename Plan::Arch>(sum[i][v], scale, before).store_unaligned(to);
      }
    }
  }
}

/// out [kQueries][kChunkTokens] for the first n_tiles tiles of the chunk; q [kQueries, d].
template <class Plan>
inline void scores(const KvRun& chunk, int n_tiles, const float* q, int d, float* out) {
  constexpr int kPerTile = kTileTokens / kLanes<typename Plan::Arch>;
  constexpr int kVectors = Plan::kVectors > kPerTile ? Plan::kVectors : kPerTile;
  constexpr int kTiles = kVectors / kPerTile;
  int tile = 0;
  for (; tile + kTiles <= n_tiles; tile += kTiles) {
    score_tiles<Plan, kVectors>(chunk, tile, q, d, out);
  }
  for (; tile < n_tiles; ++tile) score_tiles<Plan, kPerTile>(chunk, tile, q, d, out);
}

}  // namespace
}  // namespace lowkey::simd::wide
