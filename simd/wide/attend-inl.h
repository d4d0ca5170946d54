// Flash attention (Dao 2023, "FlashAttention-2", algorithm 1, one key block at a time) of a block
// of queries over a run of tiles. Contract: simd/kernel_set.h and simd/kv_tile.h.
//
// Chunk by chunk (64 tokens): scores, new maximum, exp, rescaled output plus weighted values. Few
// queries (decode) read the tiles as they are, once; many queries (prefill) first turn a chunk into
// f32 tiles that stay in the innermost cache.
#pragma once

#include <limits>

#include "simd/wide/attend_convert-inl.h"
#include "simd/wide/attend_mix-inl.h"
#include "simd/wide/exp-inl.h"

namespace lowkey::simd::wide {
namespace {

/// Above this many queries one conversion costs less than several converting reads.
constexpr int kFewQueries = 8;
/// Queries that share one pass over f32 tiles.
constexpr int kManyGroup = 6;
constexpr int kScratchFloats = 16 * 1024;

constexpr int clamp_to(int x, int low, int high) { return x < low ? low : x > high ? high : x; }

constexpr float kNothing = -std::numeric_limits<float>::infinity();

/// Scores of tokens outside `seen` become nothing; in vectors, as they are read again at once.
template <class Arch>
inline void hide(float* s, int n_tokens, Range seen) {
  using V = Vec<Arch>;
  if (seen.begin == 0 && seen.end >= n_tokens) return;
  alignas(64) float lane[kLanes<Arch>];
  for (int i = 0; i < kLanes<Arch>; ++i) lane[i] = float(i);
  const V first(static_cast<float>(seen.begin)), end(static_cast<float>(seen.end));
  V token = V::load_aligned(lane);
  for (int t = 0; t < n_tokens; t += kLanes<Arch>, token += V(float(kLanes<Arch>))) {
    const V shown = xsimd::select(token >= first, load<Arch>(s + t), V(kNothing));
    xsimd::select(token < end, shown, V(kNothing)).store_unaligned(s + t);
  }
}

/// Scores [n_tokens] to weights exp(score - max); tokens outside `seen` get none.
template <class Arch>
inline void weigh(float* s, int n_tokens, Range seen, float* max, float* sum, float* keep) {
  hide<Arch>(s, n_tokens, seen);
  Vec<Arch> highest(*max);
  for (int t = 0; t < n_tokens; t += kLanes<Arch>) {
    highest = xsimd::max(highest, load<Arch>(s + t));
  }
  const float new_max = Lanes<Arch>::max(highest);
  // Nothing seen so far: any finite offset gives weights of zero instead of NaN.
  const Vec<Arch> offset(new_max == kNothing ? 0.0f : new_max);
  Vec<Arch> total(0.0f);
  for (int t = 0; t < n_tokens; t += kLanes<Arch>) {
    const Vec<Arch> weight = exp<Arch>(load<Arch>(s + t) - offset);
    weight.store_unaligned(s + t);
    total += weight;
  }
  *keep = exp<Arch>(Vec<Arch>(*max) - offset).get(0);
  *sum = *sum * *keep + Lanes<Arch>::sum(total);
  *max = new_max;
}

/// kQueries queries from `first` on over one chunk that begins at `token` of the run.
template <class Plan>
inline void attend_group(const KvRun& chunk, int token, const QueryBlock& queries, int first,
                         const AttendState& state) {
  constexpr int kN = Plan::kQueries;
  ChunkWeights<kN> w;
  Range seen[kN];
  w.begin = chunk.n_tokens;
  for (int i = 0; i < kN; ++i) {
    const int begin = clamp_to(queries.begin[first + i] - token, 0, chunk.n_tokens);
    const int end = clamp_to(queries.end[first + i] - token, begin, chunk.n_tokens);
    seen[i] = {begin, end};
    if (begin == end) continue;
    w.begin = begin < w.begin ? begin : w.begin;
    w.end = end > w.end ? end : w.end;
  }
  if (w.begin >= w.end) return;
  const int n_tiles = (w.end + kTileTokens - 1) / kTileTokens;
  const float* q = queries.q + int64_t{first} * queries.d_k;
  scores<Plan>(chunk, n_tiles, q, queries.d_k, &w.weight[0][0]);
  for (int i = 0; i < kN; ++i) {
    weigh<typename Plan::Arch>(w.weight[i], n_tiles * kTileTokens, seen[i], state.max + first + i,
                               state.sum + first + i, w.keep + i);
  }
  mix<Plan>(chunk, w, queries.d_v, state.out + int64_t{first} * queries.d_v);
}

/// attend_group for a group size known only now (1 <= size <= kMost).
template <class Arch, KvType kType, int kMost, bool kStream>
inline void attend_sized(const KvRun& chunk, int token, const QueryBlock& queries, Range group,
                         const AttendState& state) {
  if constexpr (kMost > 1) {
    if (group.size() < kMost) {
      return attend_sized<Arch, kType, kMost - 1, kStream>(chunk, token, queries, group, state);
    }
  }
  attend_group<AttendPlan<Arch, kType, kMost, kStream>>(chunk, token, queries, int(group.begin),
                                                        state);
}

/// All queries over one chunk, in groups of nearly equal size.
template <class Arch, KvType kType, int kMost, bool kStream>
inline void attend_chunk(const KvRun& chunk, int token, const QueryBlock& queries,
                         const AttendState& state) {
  const int n_groups = (queries.n_queries + kMost - 1) / kMost;
  for (int g = 0; g < n_groups; ++g) {
    const Range group{int64_t{queries.n_queries} * g / n_groups,
                      int64_t{queries.n_queries} * (g + 1) / n_groups};
    attend_sized<Arch, kType, kMost, kStream>(chunk, token, queries, group, state);
  }
}

/// Tokens that at least one query sees, from a tile border on.
template <class Arch>
inline Range seen_tokens(const QueryBlock& queries, int n_tokens) {
  int begin = n_tokens, end = 0;
  for (int i = 0; i < queries.n_queries; ++i) {
    if (queries.begin[i] >= queries.end[i]) continue;
    begin = queries.begin[i] < begin ? queries.begin[i] : begin;
    end = queries.end[i] > end ? queries.end[i] : end;
  }
  return {begin / kTileTokens * kTileTokens, end < n_tokens ? end : n_tokens};
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

template <class Arch, KvType kType>
inline void attend_run(const KvRun& run, const QueryBlock& queries, const AttendState& state) {
  const int d = queries.d_k > queries.d_v ? queries.d_k : queries.d_v;
  const bool direct = queries.n_queries <= kFewQueries || d * kChunkTokens > kScratchFloats;
  Scratch<Arch> scratch;
  const Range seen = seen_tokens<Arch>(queries, run.n_tokens);
  for (int64_t token = seen.begin; token < seen.end; token += kChunkTokens) {
    const int64_t offset = token / kTileTokens * run.tile_stride, left = seen.end - token;
    const KvRun chunk{run.k + offset, run.v + offset, run.tile_stride,
                      int(left < kChunkTokens ? left : kChunkTokens)};
    if (direct && left >= 2 * kChunkTokens) {
      attend_chunk<Arch, kType, 4, true>(chunk, int(token), queries, state);
    } else if (direct) {
      attend_chunk<Arch, kType, 4, false>(chunk, int(token), queries, state);
    } else {
      const KvRun floats = convert<Arch, kType>(chunk, queries.d_k, queries.d_v, scratch);
      attend_chunk<Arch, KvType::kF32, kManyGroup, false>(floats, int(token), queries, state);
    }
  }
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
