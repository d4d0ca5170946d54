// Scores of a few queries against a chunk of K tiles: 16 tokens side by side in vectors, so that
// nothing is ever summed across lanes. Sums stay in registers; types convert on load.
#pragma once

#include "simd/wide/kv_codec-inl.h"

namespace lowkey::simd::wide {
namespace {

constexpr int kChunkTiles = 4;
constexpr int kChunkTokens = kChunkTiles * kTileTokens;

/// How one group of kQueries queries walks over tiles. kStream: the tiles come from memory and a
/// whole chunk follows, so ask for it while working on this one.
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

/// Sums that must be under way so that none waits for itself.
constexpr int kLeastSums = 8;

/// The sums of kQueries queries with kVectors vectors of tokens, and where their keys lie. Few of
/// them are cut into kTurns that take rows in turns.
template <class Plan, int kVectors>
struct ScoreSums {
  using Arch = typename Plan::Arch;
  using Codec = typename Plan::Codec;
  using V = Vec<Arch>;
  static constexpr int kW = kLanes<Arch>, kPerTile = kTileTokens / kW, kN = Plan::kQueries;
  static constexpr int kRowBytes = kTileTokens * Codec::kCodeBytes;
  static constexpr int kTurns = kN * kVectors >= kLeastSums       ? 1
                                : kN * kVectors >= kLeastSums / 2 ? 2
                                                                  : 4;

  V sum[kTurns][kN][kVectors];
  int64_t tile_stride;

  void clear() {
    for (int turn = 0; turn < kTurns; ++turn) {
      for (int i = 0; i < kN; ++i) {
        for (int v = 0; v < kVectors; ++v) sum[turn][i][v] = V(0.0f);
      }
    }
  }

  void prefetch_row(const std::byte* row) const {
    for (int v = 0; v < kVectors; v += kPerTile) {
      prefetch<Plan::kStream>(row + (v / kPerTile + kChunkTiles) * tile_stride);
    }
  }

  /// Adds the products with one stored row of keys; q[i * d] belongs to query i.
  void add_row(const std::byte* row, const float* q, int64_t d, int turn) {
    for (int half = 0; half < Codec::kPerCode; ++half) {
      for (int v = 0; v < kVectors; ++v) {
        const std::byte* at = row + v / kPerTile * tile_stride;
        const V key = Codec::load(at + v % kPerTile * kW * Codec::kCodeBytes, half);
        for (int i = 0; i < kN; ++i) {
          sum[turn][i][v] = mul_add<Arch>(V(q[i * d + 16 * half]), key, sum[turn][i][v]);
        }
      }
    }
  }

  /// out (+)= sums * the scales [16] of one block (1 where the type has none).
  void finish_block(const std::byte* scales, bool first, float* out) const {
    for (int v = 0; v < kVectors; ++v) {
      V scale(1.0f);
      if constexpr (Codec::kHasBlocks) {
        const std::byte* at = scales + v / kPerTile * tile_stride;
        scale = Lanes<Arch>::f16(reinterpret_cast<const uint16_t*>(at) + v % kPerTile * kW);
      }
      for (int i = 0; i < kN; ++i) {
        float* to = out + i * kChunkTokens + v * kW;
        const V before = first ? V(0.0f) : V::load_unaligned(to);
        V all = sum[0][i][v];
        for (int turn = 1; turn < kTurns; ++turn) all += sum[turn][i][v];
        mul_add<Arch>(all, scale, before).store_unaligned(to);
      }
    }
  }
};

/// out [kQueries][kChunkTokens] of kVectors vectors of tokens, from tile `tile` on.
template <class Plan, int kVectors>
inline void score_tiles(const KvRun& chunk, int tile, const float* q, int d, float* out) {
  using Codec = typename Plan::Codec;
  using Sums = ScoreSums<Plan, kVectors>;
  constexpr int kRowsPerLine = 64 / Sums::kRowBytes;
  const std::byte* part = chunk.k + tile * chunk.tile_stride;
  const std::byte* row = part + Codec::scale_bytes(d);
  const int n_blocks = Codec::kHasBlocks ? d / kKvBlock : 1;
  const int n_rows = Codec::kHasBlocks ? kKvBlock / Codec::kPerCode : d;
  Sums sums;
  sums.tile_stride = chunk.tile_stride;
  for (int b = 0; b < n_blocks; ++b) {
    sums.clear();
    int r = 0;
    for (; r + Sums::kTurns <= n_rows; r += Sums::kTurns) {
      for (int turn = 0; turn < Sums::kTurns; ++turn, row += Sums::kRowBytes) {
        if ((r + turn) % kRowsPerLine == 0) sums.prefetch_row(row);
        sums.add_row(row, q + b * kKvBlock + r + turn, d, turn);
      }
    }
    for (; r < n_rows; ++r, row += Sums::kRowBytes) sums.add_row(row, q + b * kKvBlock + r, d, 0);
    sums.finish_block(part + b * 2 * kTileTokens, b == 0, out + tile * kTileTokens);
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
