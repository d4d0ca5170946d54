// Scores and mixes of a few queries straight from the bit planes: codes go from a load to the
// products without a stop in memory. Many queries share unpacked codes instead (latent_score-inl.h,
// latent_mix-inl.h).
#pragma once

#include <span>

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

/// Some runs of groups of a chunk's keys.
struct KeyRuns {
  const WidthRun *begin, *end;
  const PartRun& keys;
};

/// Scores of kTiles tiles by some runs of groups, those of both halves of the queries (kFine) or
/// the others: one kind of sums at a time leaves registers to the codes.
template <class Ops, int kQueries, int kTiles, bool kFine>
[[gnu::always_inline]] inline void score_runs(const KeyRuns& own, const ScoreTask& task,
                                              const ScoreStart& first, int tile, Ahead& asked) {
  Ahead ahead = asked;  // whose fields stay in registers
  constexpr Groups kGroups = kFine ? Groups::kFine : Groups::kRest;
  const LatentQueries& lq = task.queries;
  typename Ops::Sums hi[kQueries][kTiles], lo[kQueries][kTiles];
  start_tiles<Ops, kGroups, kQueries, kTiles>(lq, 0, hi, lo);
  const int64_t stride = own.keys.stride;
  const auto* parts = reinterpret_cast<const uint8_t*>(own.keys.data) + tile * stride;
  for (const WidthRun* run = own.begin; run < own.end; ++run) {
    with_width(
        run->width, [&]<int kWidth>() __attribute__((always_inline)) {
          if constexpr (kFine || kWidth < Ops::kFineWidth) {
            const uint8_t* group = parts + run->at;
            int g = run->begin;
            do {
              typename Ops::Codes c[kTiles];
              unrolled<kTiles>([&](auto t) __attribute__((always_inline)) {
                c[t] = Ops::template unpack<kWidth>(group + t * stride);
              });
              add_codes<Ops, kQueries, kTiles, kFine>(lq, 0, g, c, hi, lo);
              ahead.step<kKeyLines>();
              group += latent_group_bytes(kWidth);
            } while (++g < run->end);
          }
        });
  }
  asked = ahead;
  finish_tiles<Ops, kGroups, kQueries, kTiles>(task, first, 0, tile, hi, lo);
}

/// Scores of the first kQueries queries for a whole chunk.
template <class Ops, int kQueries>
void score_direct(const WidthRuns& runs, const PartRun& keys, const ScoreTask& task, Ahead& ahead) {
  constexpr int kTiles = Ops::kDirectTiles;
  const WidthRun *begin = runs.run, *end = begin + runs.n, *rest = begin;
  while (rest < end && rest->begin < task.queries.n_fine) ++rest;
  for (int t = 0; rest > begin && t < kChunkTiles; t += kTiles) {
    score_runs<Ops, kQueries, kTiles, true>({begin, rest, keys}, task, task.start, t, ahead);
  }
  const ScoreStart start = rest > begin ? ScoreStart{task.score, kChunkTokens} : task.start;
  for (int t = 0; t < kChunkTiles; t += kTiles) {
    score_runs<Ops, kQueries, kTiles, false>({rest, end, keys}, task, start, t, ahead);
  }
}

/// Adds the codes of kGroups groups from g on, weighted, to the sums of kQueries active queries.
/// Groups share the loads of weights: with one group those would outnumber the products.
template <class Ops, int kQueries, int kGroups, int kWidth, bool kFine>
[[gnu::always_inline]] inline void mix_groups(const uint8_t* codes, int64_t stride, int g,
                                              const ChunkWeights& weights, LatentSums<Ops>& sums) {
  typename Ops::Upper hi[kQueries][kGroups];
  typename Ops::Sums lo[kQueries][kGroups];
  unrolled<kQueries * kGroups>([&](auto i) __attribute__((always_inline)) {
    hi[i / kGroups][i % kGroups] = Ops::upper();
    lo[i / kGroups][i % kGroups] = Ops::sums(0);
  });
  // Two tiles a turn: straight code for all of them is slower (docs/performance.md).
  constexpr int kEach = 2;
#pragma GCC unroll 1
  for (int first = 0; first < kChunkTiles; first += kEach, codes += kEach * stride) {
    unrolled<kEach>([&](auto t) __attribute__((always_inline)) {
      typename Ops::Codes c[kGroups];
      unrolled<kGroups>([&](auto i) __attribute__((always_inline)) {
        c[i] = Ops::template unpack<kWidth>(codes + t * stride + i * latent_group_bytes(kWidth));
      });
      unrolled<kQueries>([&](auto a) __attribute__((always_inline)) {
        const int at = (first + t) * kTileTokens;
        if constexpr (kFine && kWordProducts<Ops>) {
          const auto whole = Ops::weight_words(weights.words[a] + at);
          unrolled<kGroups>([&](auto i) __attribute__((always_inline)) {
            lo[a][i] = Ops::dot_words(lo[a][i], c[i], whole);
          });
          return;
        }
        const auto upper = Ops::held(Ops::broadcast16(weights.hi[a] + at));
        unrolled<kGroups>([&](auto i) __attribute__((always_inline)) {
          hi[a][i] = Ops::dot_v(hi[a][i], c[i], upper);
        });
        if constexpr (kFine && !kWordProducts<Ops>) {
          const auto lower = Ops::held(Ops::broadcast16(weights.lo[a] + at));
          unrolled<kGroups>([&](auto i) __attribute__((always_inline)) {
            lo[a][i] = Ops::dot_v(lo[a][i], c[i], lower);
          });
        }
      });
    });
  }
  unrolled<kQueries>([&](auto a) __attribute__((always_inline)) {
    float* out = sums.out + weights.query[a] * sums.row + g * kTileTokens;
    const float unit = weights.unit[a];  // in no memory that the sums could lie in
    unrolled<kGroups>([&](auto i) __attribute__((always_inline)) {
      add_mixed<Ops, kFine>(hi[a][i], lo[a][i], unit, out + i * kTileTokens);
    });
  });
}

/// A run of groups of one width, as many at a time as their sums fit the registers.
template <class Ops, int kQueries, int kWidth, bool kFine>
[[gnu::always_inline]] inline void mix_run(const WidthRun& run, const PartRun& values,
                                           const ChunkWeights& weights, Ahead& ahead,
                                           LatentSums<Ops>& sums) {
  const uint8_t* group = reinterpret_cast<const uint8_t*>(values.data) + run.at;
  int g = run.begin;
  const auto mix = [&]<int kGroups>() __attribute__((always_inline)) {
    mix_groups<Ops, kQueries, kGroups, kWidth, kFine>(group, values.stride, g, weights, sums);
    for (int i = 0; i < kGroups; ++i) ahead.step<kValueLines>();
    g += kGroups;
    group += kGroups * latent_group_bytes(kWidth);
  };
  if constexpr (Ops::kMixGroups < 2) {
    while (g < run.end) mix.template operator()<1>();
    return;
  }
  if constexpr (!kFine) {
    while (g + 3 <= run.end) mix.template operator()<3>();
  }
  while (g + 2 <= run.end) mix.template operator()<2>();
  if (g < run.end) mix.template operator()<1>();
}

template <class Ops, int kQueries>
void mix_direct(const WidthRuns& runs, const PartRun& values, const ChunkWeights& weights,
                Ahead& ahead, LatentSums<Ops>& sums) {
  for (int r = 0; r < runs.n; ++r) {
    const WidthRun& run = runs.run[r];
    with_width(
        run.width, [&]<int kWidth>() __attribute__((always_inline)) {
          if (kWidth >= Ops::kFineValueWidth || run.begin < sums.n_fine) {
            mix_run<Ops, kQueries, kWidth, true>(run, values, weights, ahead, sums);
          } else {
            mix_run<Ops, kQueries, kWidth, false>(run, values, weights, ahead, sums);
          }
        });
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
