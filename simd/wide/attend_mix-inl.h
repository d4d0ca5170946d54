// The weighted sum of V rows of a chunk, added to the output of a few queries.
#pragma once

#include <cstring>

#include "simd/wide/attend_scores-inl.h"

namespace lowkey::simd::wide {
namespace {

/// Softmax weights of a chunk, and what the earlier output is multiplied by.
template <int kQueries>
struct ChunkWeights {
  alignas(64) float weight[kQueries][kChunkTokens];
  float keep[kQueries];
  int begin = 0;  // tokens outside [begin, end) have no weight for any query and are not read
  int end = 0;
};

/// out[:, col .. col + kVectors * W): keep * out + weights * V.
template <class Plan, int kVectors, class Weights>
inline void mix_columns(const KvRun& chunk, const Weights& w, int d, int col, float* out) {
  using Codec = typename Plan::Codec;
  using V = Vec<typename Plan::Arch>;
  constexpr int kW = int(V::size), kN = Plan::kQueries;
  constexpr int kLineCodes = 64 / Codec::kCodeBytes * Codec::kPerCode;
  V sum[kN][kVectors];
  for (int i = 0; i < kN; ++i) {
    for (int j = 0; j < kVectors; ++j) {
      sum[i][j] = V::load_unaligned(out + int64_t{i} * d + col + j * kW) * V(w.keep[i]);
    }
  }
  for (int t = w.begin; t < w.end; ++t) {
    const std::byte* part = chunk.v + t / kTileTokens * chunk.tile_stride;
    const int in_tile = t % kTileTokens;
    const std::byte* ahead = part + kChunkTiles * chunk.tile_stride + Codec::scale_bytes(d) +
                             (int64_t{in_tile} * d + col) / Codec::kPerCode * Codec::kCodeBytes;
    for (int c = 0; c < kVectors * kW; c += kLineCodes) {
      prefetch<Plan::kStream>(ahead + c / Codec::kPerCode * Codec::kCodeBytes);
    }
    V value[kVectors];
    Codec::template values<kVectors>(part, d, in_tile, col, value);
    for (int i = 0; i < kN; ++i) {
      const V weight(w.weight[i][t]);
      for (int j = 0; j < kVectors; ++j)
        sum[i][j] = mul_add<typename Plan::Arch>(weight, value[j], sum[i][j]);
    }
  }
  for (int i = 0; i < kN; ++i) {
    for (int j = 0; j < kVectors; ++j) {
      sum[i][j].store_unaligned(out + int64_t{i} * d + col + j * kW);
    }
  }
}

/// The last d % W columns; only the float types have any.
template <class Plan, class Weights>
inline void mix_rest(const KvRun& chunk, const Weights& w, int d, int col, float* out) {
  using Codec = typename Plan::Codec;
  using Arch = typename Plan::Arch;
  using V = Vec<Arch>;
  const int n = d - col;
  V sum[Plan::kQueries];
  for (int i = 0; i < Plan::kQueries; ++i) {
    sum[i] = load_part<Arch>(out + int64_t{i} * d + col, n) * V(w.keep[i]);
  }
  alignas(64) std::byte row[kLanes<Arch> * Codec::kCodeBytes] = {};
  for (int t = w.begin; t < w.end; ++t) {
    const std::byte* part = chunk.v + t / kTileTokens * chunk.tile_stride;
    const int64_t at = int64_t{t % kTileTokens} * d + col;
    std::memcpy(row, part + at * Codec::kCodeBytes, size_t(n) * Codec::kCodeBytes);
    const V value = Codec::load(row);
    for (int i = 0; i < Plan::kQueries; ++i) {
      sum[i] = mul_add<typename Plan::Arch>(V(w.weight[i][t]), value, sum[i]);
    }
  }
  for (int i = 0; i < Plan::kQueries; ++i) {
    store_part<Arch>(out + int64_t{i} * d + col, n, sum[i]);
  }
}

/// out [kQueries, d] = keep * out + weights * V.
template <class Plan, class Weights>
inline void mix(const KvRun& chunk, const Weights& w, int d, float* out) {
  constexpr int kW = kLanes<typename Plan::Arch>, kVectors = Plan::kVectors;
  int col = 0;
  for (; col + kVectors * kW <= d; col += kVectors * kW) {
    mix_columns<Plan, kVectors>(chunk, w, d, col, out);
  }
  for (; col + kW <= d; col += kW) mix_columns<Plan, 1>(chunk, w, d, col, out);
  if constexpr (!Plan::Codec::kHasBlocks) {
    if (col < d) mix_rest<Plan>(chunk, w, d, col, out);
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
