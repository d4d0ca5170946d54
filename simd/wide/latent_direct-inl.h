// Scores and mixes of a few queries straight from the bit planes: codes go from a load to the
// products without a stop in memory. Many queries share unpacked codes instead (latent_score-inl.h,
// latent_mix-inl.h).
#pragma once

#include "simd/wide/latent_mix-inl.h"

namespace lowkey::simd::wide {
namespace {

/// Neighbouring groups of one width.
struct WidthRun {
  int width, begin, end;
  int64_t at;  // bytes from a part's start to the first group
};

struct WidthRuns {
  int n = 0;
  WidthRun run[kLatentMaxCoords / kLatentGroup];

  explicit WidthRuns(const LatentPlan& plan) {
    int64_t at = kTileTokens;
    for (int g = 0; g < plan.n_groups(); ++g) {
      const int width = plan.widths[g];
      if (n == 0 || run[n - 1].width != width) run[n++] = {width, g, g, at};
      run[n - 1].end = g + 1;
      at += latent_group_bytes(width);
    }
  }
};

/// Weights of a chunk, the 16 of a tile four times over: once for each coordinate of a group.
template <class Ops>
struct SpreadWeights {
  static constexpr int kMost = Ops::kDirectQueries > 0 ? Ops::kDirectQueries : 1;
  alignas(64) int8_t hi[kMost][kChunkTiles][kGroupCodes];
  alignas(64) int8_t lo[kMost][kChunkTiles][kGroupCodes];
};

template <class Ops, int kQueries, int kTiles>
void score_tiles_direct(const WidthRuns& runs, const PartRun& keys, const ScoreTask& task, int tile,
                        Ahead& ahead) {
  const LatentQueries& lq = task.queries;
  typename Ops::Sums hi[kQueries][kTiles], lo[kQueries][kTiles];
  start_tiles<Ops, kQueries, kTiles>(lq, 0, hi, lo);
  const auto* parts = reinterpret_cast<const uint8_t*>(keys.data) + tile * keys.stride;
  for (int r = 0; r < runs.n; ++r) {
    const WidthRun& run = runs.run[r];
    const bool fine = run.begin < lq.n_fine;
    with_width(
        run.width, [&]<int kWidth>() __attribute__((always_inline)) {
          const uint8_t* group = parts + run.at;
          for (int g = run.begin; g < run.end; ++g, group += latent_group_bytes(kWidth)) {
            typename Ops::Codes c[kTiles];
            unrolled<kTiles>([&](auto t) __attribute__((always_inline)) {
              c[t] = Ops::template unpack<kWidth>(group + t * keys.stride);
            });
            if (kWidth >= Ops::kFineWidth || fine) {
              add_codes<Ops, kQueries, kTiles, true>(lq, 0, g, c, hi, lo);
            } else {
              add_codes<Ops, kQueries, kTiles, false>(lq, 0, g, c, hi, lo);
            }
            ahead.step();
          }
        });
  }
  finish_tiles<Ops, kQueries, kTiles>(task, 0, tile, hi, lo);
}

/// Scores of the first kQueries queries for a whole chunk.
template <class Ops, int kQueries>
void score_direct(const WidthRuns& runs, const PartRun& keys, const ScoreTask& task, Ahead& ahead) {
  for (int t = 0; t < kChunkTiles; t += Ops::kDirectTiles) {
    score_tiles_direct<Ops, kQueries, Ops::kDirectTiles>(runs, keys, task, t, ahead);
  }
}

/// Repeats the weights of the active queries for every coordinate of a group.
template <class Ops>
void spread_weights(const ChunkWeights& weights, bool fine, SpreadWeights<Ops>& out) {
  const auto spread = [](const int8_t* from, int8_t(*to)[kGroupCodes]) {
    for (int t = 0; t < kChunkTiles; ++t) {
      Ops::store(reinterpret_cast<uint8_t*>(to[t]), Ops::broadcast16(from + t * kTileTokens));
    }
  };
  for (int a = 0; a < weights.n_active; ++a) {
    spread(weights.hi[a], out.hi[a]);
    if (fine) spread(weights.lo[a], out.lo[a]);
  }
}

/// Adds one group's codes, weighted, to the sums of kQueries active queries.
template <class Ops, int kQueries, bool kFine, class Codes>
[[gnu::always_inline]] inline void mix_group(const Codes& c, int g, const ChunkWeights& weights,
                                             const SpreadWeights<Ops>& spread,
                                             LatentSums<Ops>& sums) {
  unrolled<kQueries>([&](auto a) __attribute__((always_inline)) {
    auto hi = Ops::sums(0), lo = Ops::sums(0);
    unrolled<kChunkTiles>([&](auto t) __attribute__((always_inline)) {
      hi = Ops::dot_v(hi, c[t], Ops::load(reinterpret_cast<const uint8_t*>(spread.hi[a][t])));
      if constexpr (kFine) {
        lo = Ops::dot_v(lo, c[t], Ops::load(reinterpret_cast<const uint8_t*>(spread.lo[a][t])));
      }
    });
    add_mixed<Ops, kFine>(hi, lo, weights.unit[a],
                          sums.out + weights.query[a] * sums.row + g * kTileTokens);
  });
}

template <class Ops, int kQueries>
void mix_direct(const WidthRuns& runs, const PartRun& values, const ChunkWeights& weights,
                const SpreadWeights<Ops>& spread, Ahead& ahead, LatentSums<Ops>& sums) {
  const auto* parts = reinterpret_cast<const uint8_t*>(values.data);
  for (int r = 0; r < runs.n; ++r) {
    const WidthRun& run = runs.run[r];
    const bool fine = run.begin < sums.n_fine;
    with_width(
        run.width, [&]<int kWidth>() __attribute__((always_inline)) {
          const uint8_t* group = parts + run.at;
          for (int g = run.begin; g < run.end; ++g, group += latent_group_bytes(kWidth)) {
            typename Ops::Codes c[kChunkTiles];
            unrolled<kChunkTiles>([&](auto t) __attribute__((always_inline)) {
              c[t] = Ops::template unpack<kWidth>(group + t * values.stride);
            });
            if (kWidth >= Ops::kFineValueWidth || fine) {
              mix_group<Ops, kQueries, true>(c, g, weights, spread, sums);
            } else {
              mix_group<Ops, kQueries, false>(c, g, weights, spread, sums);
            }
            ahead.step();
          }
        });
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
