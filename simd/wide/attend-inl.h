// Flash attention (Dao 2023, "FlashAttention-2", algorithm 1, one key block at a time) of a block
// of queries over a run of tiles. Contract: simd/kernel_set.h and simd/kv_tile.h.
//
// Chunk by chunk (64 tokens): scores, new maximum, exp, rescaled output plus weighted values. Few
// queries (decode) read the tiles as they are, once; many queries (prefill) first turn a chunk into
// 16-bit integers, or f32 tiles, that stay in the innermost cache.
#pragma once

#include "simd/wide/attend_convert-inl.h"
#include "simd/wide/attend_mix-inl.h"
#include "simd/wide/attend_pair_group-inl.h"
#include "simd/wide/attend_weigh-inl.h"

namespace lowkey::simd::wide {
namespace {

/// Above this many queries one conversion costs less than several converting reads.
constexpr int kFewQueries = 8;
/// Queries that share one pass over f32 tiles.
constexpr int kManyGroup = 6;
constexpr int kScratchFloats = 16 * 1024;

/// kQueries queries from `first` on over one chunk that begins at `token` of the run.
template <class Plan>
inline void attend_group(const KvRun& chunk, int token, const QueryBlock& queries, int first,
                         const AttendState& state) {
  constexpr int kN = Plan::kQueries;
  const auto seen = seen_by_group<kN>(queries, first, kN, {token, token + chunk.n_tokens});
  if (seen.begin >= seen.end) return;
  ChunkWeights<kN> w;
  w.begin = seen.begin;
  w.end = seen.end;
  const int n_tiles = ceil_div(w.end, kTileTokens);
  const float* q = queries.q + int64_t{first} * queries.d_k;
  scores<Plan>(chunk, n_tiles, q, queries.d_k, &w.weight[0][0]);
  for (int i = 0; i < kN; ++i) {
    weigh<typename Plan::Arch>(w.weight[i], n_tiles * kTileTokens, seen.of[i],
                               state.max + first + i, state.sum + first + i, w.keep + i);
  }
  mix<Plan>(chunk, w, queries.d_v, state.out + int64_t{first} * queries.d_v);
}

/// f.operator()<size>(first) for groups of nearly equal size, at most kMost, of n queries.
template <int kMost, class F>
inline void for_groups(int n, F f) {
  const int n_groups = ceil_div(n, kMost);
  const auto sized = [&]<int kSize>(auto self, int size, int first) {
    if constexpr (kSize > 1) {
      if (size < kSize) return self.template operator()<kSize - 1>(self, size, first);
    }
    f.template operator()<kSize>(first);
  };
  for (int g = 0; g < n_groups; ++g) {
    const int first = n * g / n_groups, end = n * (g + 1) / n_groups;
    sized.template operator()<kMost>(sized, end - first, first);
  }
}

/// All queries over one chunk, in groups.
template <class Arch, KvType kType, int kMost, bool kStream>
inline void attend_chunk(const KvRun& chunk, int token, const QueryBlock& queries,
                         const AttendState& state) {
  for_groups<kMost>(queries.n_queries, [&]<int kSize>(int first) {
    attend_group<AttendPlan<Arch, kType, kSize, kStream>>(chunk, token, queries, first, state);
  });
}

/// Tokens that at least one query sees.
inline Range seen_tokens(const QueryBlock& queries, int n_tokens) {
  int begin = n_tokens, end = 0;
  for (int i = 0; i < queries.n_queries; ++i) {
    if (queries.begin[i] >= queries.end[i]) continue;
    begin = queries.begin[i] < begin ? queries.begin[i] : begin;
    end = queries.end[i] > end ? queries.end[i] : end;
  }
  return {begin, end < n_tokens ? end : n_tokens};
}

/// f(chunk, token, n) for the chunks of the tokens `seen`, from a tile border on; n of them from
/// the run's `token` on are left.
template <class F>
inline void for_chunks(const KvRun& run, Range seen, F f) {
  for (int64_t token = seen.begin / kTileTokens * kTileTokens; token < seen.end;
       token += kChunkTokens) {
    const int64_t offset = token / kTileTokens * run.tile_stride, left = seen.end - token;
    f({run.k + offset, run.v + offset, run.tile_stride,
       int(left < kChunkTokens ? left : kChunkTokens)},
      int(token), left);
  }
}

/// Straight from the tiles.
template <class Arch, KvType kType>
inline void attend_direct(const KvRun& run, const QueryBlock& queries, const AttendState& state) {
  const Range seen = seen_tokens(queries, run.n_tokens);
  for_chunks(run, seen, [&](const KvRun& chunk, int token, int64_t left) {
    if (left >= 2 * kChunkTokens) {
      attend_chunk<Arch, kType, 4, true>(chunk, token, queries, state);
    } else {
      attend_chunk<Arch, kType, 4, false>(chunk, token, queries, state);
    }
  });
}

/// f32 tiles of a chunk.
template <class Arch>
struct Scratch {
  alignas(64) float k[kScratchFloats];
  alignas(64) float v[kScratchFloats];
};

template <class Arch, KvType kType>
inline KvRun convert(const KvRun& chunk, int d_k, int d_v, Scratch<Arch>& scratch) {
  using Codec = KvCodec<Arch, kType>;
  const int64_t d = d_k > d_v ? d_k : d_v;
  for (int i = 0; i * kTileTokens < chunk.n_tokens; ++i) {
    convert_k<Codec>(chunk.k + i * chunk.tile_stride, d_k, scratch.k + i * kTileTokens * d);
    convert_v<Codec>(chunk.v + i * chunk.tile_stride, d_v, scratch.v + i * kTileTokens * d);
  }
  return {reinterpret_cast<const std::byte*>(scratch.k),
          reinterpret_cast<const std::byte*>(scratch.v), kTileTokens * d * int64_t{sizeof(float)},
          chunk.n_tokens};
}

/// By f32 tiles. Apart from the others, whose stack need not hold these.
template <class Arch, KvType kType>
[[gnu::noinline]] void attend_floats(const KvRun& run, const QueryBlock& queries,
                                     const AttendState& state) {
  Scratch<Arch> scratch;
  const Range seen = seen_tokens(queries, run.n_tokens);
  for_chunks(run, seen, [&](const KvRun& chunk, int token, int64_t) {
    const KvRun floats = convert<Arch, kType>(chunk, queries.d_k, queries.d_v, scratch);
    attend_chunk<Arch, KvType::kF32, kManyGroup, false>(floats, token, queries, state);
  });
}

/// By pairs of 16-bit integers.
template <class Arch, KvType kType>
[[gnu::noinline]] void attend_integers(const KvRun& run, const QueryBlock& queries,
                                       const AttendState& state) {
  PairScratch<Arch> scratch;
  const int most = kPairShorts / queries.d_k;
  for (int begin = 0; begin < queries.n_queries; begin += most) {
    const int end = begin + most < queries.n_queries ? begin + most : queries.n_queries;
    const QueryBlock block = queries.part({begin, end});
    const AttendState own = state.from(begin, queries.d_v);
    scratch.take_queries(block);
    const Range seen = seen_tokens(block, run.n_tokens);
    for_chunks(run, seen, [&](const KvRun& chunk, int token, int64_t) {
      scratch.template take_chunk<kType>(chunk, block, {seen.begin - token, seen.end - token});
      for_groups<kManyGroup>(block.n_queries, [&]<int kSize>(int first) {
        attend_pairs<Arch, kSize>(scratch, {token, token + chunk.n_tokens}, block, first, own);
      });
    });
  }
}

template <class Arch, KvType kType>
inline void attend_run(const KvRun& run, const QueryBlock& queries, const AttendState& state) {
  const int d = queries.d_k > queries.d_v ? queries.d_k : queries.d_v;
  if (queries.n_queries <= kFewQueries || d * kChunkTokens > kScratchFloats) {
    return attend_direct<Arch, kType>(run, queries, state);
  }
  if constexpr (kHasPairs<Arch> && kType != KvType::kF32) {
    if (fits_pairs(queries)) return attend_integers<Arch, kType>(run, queries, state);
  }
  attend_floats<Arch, kType>(run, queries, state);
}

template <class Arch>
inline void attend(KvType type, const KvRun& run, const QueryBlock& queries,
                   const AttendState& state) {
  switch (type) {
    case KvType::kF32:
      return attend_run<Arch, KvType::kF32>(run, queries, state);
    case KvType::kF16:
      return attend_run<Arch, KvType::kF16>(run, queries, state);
    case KvType::kBF16:
      return attend_run<Arch, KvType::kBF16>(run, queries, state);
    case KvType::kQ8_0:
      return attend_run<Arch, KvType::kQ8_0>(run, queries, state);
    case KvType::kQ4_0:
      return attend_run<Arch, KvType::kQ4_0>(run, queries, state);
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
