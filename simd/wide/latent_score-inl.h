// Scores of a chunk: integer dot products of the queries with the unpacked key codes.
#pragma once

#include "simd/wide/latent_codes-inl.h"
#include "simd/wide/latent_query-inl.h"
#include "simd/wide/unrolled-inl.h"

namespace lowkey::simd::wide {
namespace {

/// Tokens that pass through all steps together: long enough to spread the cost of the running
/// maximum and of folding integer sums, short enough for the first-level cache.
constexpr int kChunkTiles = 8;
constexpr int kChunkTokens = kChunkTiles * kTileTokens;

/// What the scores of a chunk begin with: [n_queries, kChunkTokens], or one row for all.
struct ScoreStart {
  const float* row;
  int stride;  // floats from one query to the next
};

/// Where the scores of queries `first`.. and tiles `tile`.. of a chunk come from and go.
struct ScoreTask {
  const LatentQueries& queries;
  const uint8_t* codes;  // [n_groups][kChunkTiles][64]
  const float* gain;     // [kChunkTokens]
  ScoreStart start;
  float* score;  // [n_queries, kChunkTokens]
};

/// Adds group g, whose codes of kTiles tiles are `c`, to the sums of kQueries; kFine: of both
/// halves of the queries.
template <class Ops, int kQueries, int kTiles, bool kFine, class Codes, class Upper, class Sums>
[[gnu::always_inline]] inline void add_codes(const LatentQueries& lq, int first, int g,
                                             const Codes& c, Upper& hi, Sums& lo) {
  unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
    const int8_t* own_hi = lq.hi[first + q] + kLatentGroup * g;
    const int8_t* own_lo = lq.lo[first + q] + kLatentGroup * g;
    if constexpr (kFine && kWordProducts<Ops>) {
      const auto whole = Ops::query_words(own_hi, own_lo);
      unrolled<kTiles>([&](auto t) __attribute__((always_inline)) {
        lo[q][t] = Ops::dot_words(lo[q][t], c[t], whole);
      });
      return;
    }
    const auto upper = Ops::broadcast4(own_hi);
    unrolled<kTiles>([&](auto t) __attribute__((always_inline)) {
      hi[q][t] = Ops::dot_k(hi[q][t], c[t], upper);
    });
    if constexpr (kFine && !kWordProducts<Ops>) {
      const auto lower = Ops::broadcast4(own_lo);
      unrolled<kTiles>([&](auto t) __attribute__((always_inline)) {
        lo[q][t] = Ops::dot_k(lo[q][t], c[t], lower);
      });
    }
  });
}

/// The same from codes in memory.
template <class Ops, int kQueries, int kTiles, bool kFine, class Upper, class Sums>
[[gnu::always_inline]] inline void add_group(const LatentQueries& lq, int first, int g,
                                             const uint8_t* codes, Upper& hi, Sums& lo) {
  typename Ops::Codes c[kTiles];
  unrolled<kTiles>([&](auto t) __attribute__((always_inline)) {
    c[t] = Ops::held(Ops::load(codes + t * kGroupCodes));
  });
  add_codes<Ops, kQueries, kTiles, kFine>(lq, first, g, c, hi, lo);
}

/// Where sums of pairs are settled, the others are seldom added to: they leave the registers to
/// these.
template <class Ops, class Sums>
[[gnu::always_inline]] inline Sums& in_place(Sums& sums) {
  Sums* p = &sums;
  if constexpr (kSettles<Ops>) asm("" : "+r"(p) : : "memory");
  return *p;
}

/// Empties sums of pairs into the others.
template <class Ops, int kQueries, int kTiles, class Upper, class Sums>
[[gnu::always_inline]] inline void settle_all(Upper& hi, Sums& lo) {
  unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
    unrolled<kTiles>([&](auto t)
                         __attribute__((always_inline)) { Ops::settle(hi[q][t], lo[q][t]); });
  });
}

/// Of which groups sums are: of all, or of one kind after the other, those that multiply both
/// halves of the queries (kFine) and then the rest.
enum class Groups { kAll, kFine, kRest };

/// What the sums of kQueries from `first` on begin with.
template <class Ops, Groups kGroups, int kQueries, int kTiles, class Upper, class Sums>
[[gnu::always_inline]] inline void start_tiles(const LatentQueries& lq, int first, Upper& hi,
                                               Sums& lo) {
  unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
    unrolled<kTiles>([&](auto t) __attribute__((always_inline)) {
      const int32_t upper = kGroups == Groups::kFine ? 0 : lq.start_hi[first + q];
      const int32_t lower = kGroups == Groups::kRest ? 0 : lq.start_lo[first + q];
      if constexpr (kWordProducts<Ops>) {
        hi[q][t] = Ops::upper();
        lo[q][t] = Ops::sums(128 * upper + lower);
      } else {
        hi[q][t] = Ops::sums(upper);
        lo[q][t] = Ops::sums(lower);
      }
    });
  });
}

/// Scores from the sums, in units of log 2, added to what they begin with.
template <class Ops, Groups kGroups, int kQueries, int kTiles, class Upper, class Sums>
[[gnu::always_inline]] inline void finish_tiles(const ScoreTask& task, const ScoreStart& begin,
                                                int first, int tile, const Upper& hi,
                                                const Sums& lo) {
  using Float = typename Ops::Float;
  constexpr bool kWhole = kWordProducts<Ops>, kUpper = kGroups == Groups::kRest && !kWhole;
  const LatentQueries& lq = task.queries;
  unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
    const Float scale(kUpper ? 128 * lq.scale[first + q] : lq.scale[first + q]);
    const Float offset(kGroups == Groups::kFine ? 0.0f : lq.offset[first + q]);
    float* score = task.score + (first + q) * kChunkTokens + tile * kTileTokens;
    const float* start = begin.row + (first + q) * begin.stride + tile * kTileTokens;
    const float* gain = task.gain + tile * kTileTokens;
    unrolled<kTiles>([&](auto t) __attribute__((always_inline)) {
      unrolled<kTileTokens / Ops::kLanes>([&](auto part) __attribute__((always_inline)) {
        constexpr int kAt = t * kTileTokens + part * Ops::kLanes;
        Float sum;
        if constexpr (kUpper) {
          sum = Ops::to_float(hi[q][t], part);
        } else if constexpr (kWhole) {
          sum = Ops::to_float(lo[q][t], part);
        } else {
          sum = Ops::to_float(hi[q][t], lo[q][t], part);
        }
        const Float own = Ops::mul_add(sum, scale, offset);
        Ops::mul_add(own, Float::load_aligned(gain + kAt), Float::load_aligned(start + kAt))
            .store_aligned(score + kAt);
      });
    });
  });
}

template <class Ops, int kQueries, int kTiles>
void score_tiles(const ScoreTask& task, int first, int tile) {
  static_assert(kSettles<Ops> || !kWordProducts<Ops>, "sums of pairs would be lost");
  const LatentQueries& lq = task.queries;
  typename Ops::Upper hi[kQueries][kTiles];
  typename Ops::Sums sums[kQueries][kTiles];
  auto& lo = in_place<Ops>(sums);
  start_tiles<Ops, Groups::kAll, kQueries, kTiles>(lq, first, hi, lo);
  constexpr int64_t kStep = kChunkTiles * kGroupCodes;
  const uint8_t* codes = task.codes + tile * kGroupCodes;
  if constexpr (kSettles<Ops>) {
    // Narrow codes first: while there are sums of pairs the registers are theirs.
    for (int g = lq.n_fine; g < lq.n_groups;) {
      if (lq.settle[g]) settle_all<Ops, kQueries, kTiles>(hi, lo);
      for (const int stop = lq.next_settle[g]; g < stop; ++g) {
        add_group<Ops, kQueries, kTiles, false>(lq, first, g, codes + g * kStep, hi, lo);
      }
    }
    typename Ops::Sums all[kQueries][kTiles];
    unrolled<kQueries * kTiles>([&](auto i) __attribute__((always_inline)) {
      all[i / kTiles][i % kTiles] = lo[i / kTiles][i % kTiles];
    });
    settle_all<Ops, kQueries, kTiles>(hi, all);
    for (int g = 0; g < lq.n_fine; ++g) {
      add_group<Ops, kQueries, kTiles, true>(lq, first, g, codes + g * kStep, hi, all);
    }
    return finish_tiles<Ops, Groups::kAll, kQueries, kTiles>(task, task.start, first, tile, hi,
                                                             all);
  }
  for (int g = 0; g < lq.n_fine; ++g) {
    add_group<Ops, kQueries, kTiles, true>(lq, first, g, codes + g * kStep, hi, lo);
  }
  for (int g = lq.n_fine; g < lq.n_groups; ++g) {
    add_group<Ops, kQueries, kTiles, false>(lq, first, g, codes + g * kStep, hi, lo);
  }
  finish_tiles<Ops, Groups::kAll, kQueries, kTiles>(task, task.start, first, tile, hi, lo);
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
