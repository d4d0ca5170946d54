// Scores of a chunk: integer dot products of the queries with the unpacked key codes.
#pragma once

#include "simd/wide/latent_codes-inl.h"
#include "simd/wide/latent_query-inl.h"

namespace lowkey::simd::wide {
namespace {

/// Tokens that pass through all steps together: long enough to spread the cost of the running
/// maximum and of folding integer sums, short enough for the first-level cache.
constexpr int kChunkTiles = 8;
constexpr int kChunkTokens = kChunkTiles * kTileTokens;

/// Where the scores of queries `first`.. and tiles `tile`.. of a chunk come from and go.
struct ScoreTask {
  const LatentQueries& queries;
  const uint8_t* codes;  // [n_groups][kChunkTiles][64]
  const float* gain;     // [kChunkTokens]
  float* score;          // [n_queries, kChunkTokens]
};

template <class Ops, int kQueries, int kTiles>
void score_tiles(const ScoreTask& task, int first, int tile) {
  using Sums = typename Ops::Sums;
  using Codes = typename Ops::Codes;
  using Float = typename Ops::Float;
  const LatentQueries& lq = task.queries;
  Sums hi[kQueries][kTiles], lo[kQueries][kTiles];
  for (int q = 0; q < kQueries; ++q) {
    for (int t = 0; t < kTiles; ++t) {
      hi[q][t] = Ops::sums(lq.start_hi[first + q]);
      lo[q][t] = Ops::sums(lq.start_lo[first + q]);
    }
  }
  const uint8_t* codes = task.codes + tile * kGroupCodes;
  const auto add_group = [&](int g, auto fine) {
    Codes c[kTiles];
    for (int t = 0; t < kTiles; ++t) {
      c[t] = Ops::load(codes + (g * kChunkTiles + t) * kGroupCodes);
    }
    for (int q = 0; q < kQueries; ++q) {
      const auto upper = Ops::broadcast4(lq.hi[first + q] + kLatentGroup * g);
      for (int t = 0; t < kTiles; ++t) hi[q][t] = Ops::dot_k(hi[q][t], c[t], upper);
      if constexpr (decltype(fine)::value) {
        const auto lower = Ops::broadcast4(lq.lo[first + q] + kLatentGroup * g);
        for (int t = 0; t < kTiles; ++t) lo[q][t] = Ops::dot_k(lo[q][t], c[t], lower);
      }
    }
  };
  for (int g = 0; g < lq.n_fine; ++g) add_group(g, std::true_type());
  for (int g = lq.n_fine; g < lq.n_groups; ++g) add_group(g, std::false_type());

  for (int q = 0; q < kQueries; ++q) {
    const Float scale(lq.scale[first + q]), offset(lq.offset[first + q]);
    for (int t = 0; t < kTiles; ++t) {
      const int64_t at = (tile + t) * kTileTokens;
      for (int part = 0; part < kTileTokens / Ops::kLanes; ++part) {
        const Float gain = Float::load_aligned(task.gain + at + part * Ops::kLanes);
        const Float sum = Ops::to_float(hi[q][t], lo[q][t], part);
        (Ops::mul_add(sum, scale, offset) * gain)
            .store_aligned(task.score + (first + q) * kChunkTokens + at + part * Ops::kLanes);
      }
    }
  }
}

template <class Ops, int kQueries>
void score_queries(const ScoreTask& task, int first, int n_tiles) {
  int t = 0;
  for (; t + Ops::kTokenTiles <= n_tiles; t += Ops::kTokenTiles) {
    score_tiles<Ops, kQueries, Ops::kTokenTiles>(task, first, t);
  }
  for (; t < n_tiles; ++t) score_tiles<Ops, kQueries, 1>(task, first, t);
}

/// All queries of the block; score rows of the tiles [0, n_tiles) are written.
template <class Ops>
void score_chunk(const ScoreTask& task, int n_tiles) {
  const int n = task.queries.n_queries;
  int q = 0;
  for (; q + Ops::kQueryTile <= n; q += Ops::kQueryTile) {
    score_queries<Ops, Ops::kQueryTile>(task, q, n_tiles);
  }
  if constexpr (Ops::kQueryTile > 3) {
    if (n - q == 3) return score_queries<Ops, 3>(task, q, n_tiles);
  }
  if (n - q >= 2) {
    score_queries<Ops, 2>(task, q, n_tiles);
    q += 2;
  }
  if (q < n) score_queries<Ops, 1>(task, q, n_tiles);
}

}  // namespace
}  // namespace lowkey::simd::wide
