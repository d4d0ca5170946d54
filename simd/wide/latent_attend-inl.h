// Flash attention on latent tiles, without reconstruction: per chunk of 128 tokens unpack the keys,
// score, weigh, unpack the values, mix. Only sums over a chunk leave the integers.
#pragma once

#include <climits>
#include <limits>

#include "simd/wide/latent_chunks-inl.h"
#include "simd/wide/latent_direct-inl.h"
#include "simd/wide/latent_mean-inl.h"

namespace lowkey::simd::wide {
namespace {

/// From so many queries on a block takes matrix tiles, where there are any.
constexpr int kTileQueries = 8;

/// Everything a block of queries needs on its way through a run.
template <class Ops>
struct LatentScratch {
  LatentQueries queries;
  LatentSums<Ops> sums;
  ChunkWeights weights;
  alignas(64) uint8_t codes[kLatentMaxCoords / kLatentGroup * kChunkTiles * kGroupCodes];
  alignas(64) float score[kQueryBlock * kChunkTokens];
  alignas(64) float key_gain[kChunkTokens];
  alignas(64) float value_gain[kChunkTokens];
  // What the mean gives the next chunk's scores, where that is found while `score` is in use.
  alignas(64) float start[(kMeanBlock - 1) * kChunkTokens];
  float top[kQueryBlock];                         // of a chunk's scores
  int largest_gain = 0;                           // of its values, as a code
  typename TileUnit<Ops>::Type* tiles = nullptr;  // for blocks of many queries
  MeanScores<Ops> mean;
};

/// Whether a set has scores of a few queries of its own.
template <class Ops>
constexpr bool kHasFewScores = requires {
  &Ops::template score_few<1>;
};

/// Gains of a chunk's tokens, 1 beyond its end; returns the largest code.
template <class Ops>
[[gnu::always_inline]] inline int load_gains(const LatentPlan& plan, const PartRun& parts,
                                             int n_tokens, float* gain) {
  const auto* codes = reinterpret_cast<const uint8_t*>(parts.data);
  if (plan.n_coords > 0 && n_tokens == kChunkTokens) {
    return Ops::template gains<kChunkTiles>(codes, parts.stride, gain);
  }
  uint8_t copy[kChunkTokens] = {};
  for (int t = 0; t < parts.n_tiles && plan.n_coords > 0; ++t) {
    std::memcpy(copy + t * kTileTokens, codes + t * parts.stride, kTileTokens);
  }
  std::fill(copy + n_tokens, copy + kChunkTokens, uint8_t{0});
  return Ops::template gains<kChunkTiles>(copy, kTileTokens, gain);
}

/// Hides the tokens of a chunk that a query must not see.
inline void hide(const Chunk& chunk, int begin, int end, float* score) {
  const int first = std::clamp(begin - chunk.begin, 0, kChunkTokens);
  const int last = std::clamp(end - chunk.begin, first, kChunkTokens);
  std::fill(score, score + first, kUnseen);
  std::fill(score + last, score + kChunkTokens, kUnseen);
}

/// Tokens kept exact elsewhere: no query sees their codes.
inline void hide_exact(const PartRun& keys, int n_queries, float* score) {
  for (int t = 0; t < keys.n_tiles * kTileTokens; ++t) {
    const std::byte* part = keys.data + t / kTileTokens * keys.stride;
    if (part[t % kTileTokens] != kLatentHidden) continue;
    for (int q = 0; q < n_queries; ++q) score[q * kChunkTokens + t] = kUnseen;
  }
}

/// Scores of all queries: what they start with, and what the codes of a chunk's keys give.
template <class Ops>
void score_keys(const LatentPlan& plan, const WidthRuns& runs, Chunk& chunk,
                LatentScratch<Ops>& s) {
  const PartRun& keys = chunk.keys;
  const ScoreTask task{s.queries, s.codes, s.key_gain, chunk.start, s.score};
  const int n = s.queries.n_queries;
  if constexpr (Ops::kDirectQueries > 0) {
    if (n <= Ops::kDirectQueries && keys.n_tiles == kChunkTiles) {
      if constexpr (kHasFewScores<Ops>) {
        chunk.ahead.start_keys<kValueLines>(plan.n_groups());
        return with_count(
            n, [&]<int kN>() { Ops::template score_few<kN>(runs, keys, task, chunk.ahead); });
      } else {
        constexpr int kPasses = kChunkTiles / Ops::kDirectTiles;
        chunk.ahead.start_keys<kKeyLines>(kPasses * plan.n_groups());
        return with_count(n,
                          [&]<int kN>() { score_direct<Ops, kN>(runs, keys, task, chunk.ahead); });
      }
    }
  }
  chunk.ahead.start_keys<kValueLines>(plan.n_groups());
  unpack_part<Ops, kChunkTiles>(plan, keys, chunk.ahead, s.codes);
  if constexpr (kHasTiles<Ops>) {
    if (s.sums.on_tiles) return Ops::score(*s.tiles, task, keys.n_tiles);
  }
  score_chunk<Ops>(task, keys.n_tiles);
}

/// Adds a chunk's values, weighted, to the sums of the queries that see anything of it.
template <class Ops>
void mix_values(const LatentPlan& plan, const WidthRuns& runs, Chunk& chunk,
                LatentScratch<Ops>& s) {
  const PartRun& values = chunk.values;
  const int n = s.weights.n_active;
  chunk.ahead.start_values<kValueLines>(plan.n_groups());
  if constexpr (Ops::kDirectQueries > 0) {
    if (n <= Ops::kDirectQueries && values.n_tiles == kChunkTiles && !s.sums.on_tiles) {
      return with_count(
          n, [&]<int kN>() { mix_direct<Ops, kN>(runs, values, s.weights, chunk.ahead, s.sums); });
    }
  }
  unpack_part<Ops, kChunkTiles>(plan, values, chunk.ahead, s.codes);
  if constexpr (kHasTiles<Ops>) {
    if (s.sums.on_tiles) {
      return Ops::mix(*s.tiles, {s.codes, values.n_tiles, plan.n_groups()}, s.weights, s.sums);
    }
  }
  mix_chunk<Ops>(s.codes, values.n_tiles, plan.n_groups(), s.weights, s.sums);
}

/// Scores of a chunk, and the largest of each query.
template <class Ops>
void find_scores(const LatentRuns& tiles, const WidthRuns& runs, const QueryBlock& queries,
                 Chunk& chunk, LatentScratch<Ops>& s) {
  const int largest = load_gains<Ops>(tiles.k, chunk.keys, chunk.n_tokens, s.key_gain);
  s.largest_gain = load_gains<Ops>(tiles.v, chunk.values, chunk.n_tokens, s.value_gain);
  score_keys<Ops>(tiles.k, runs, chunk, s);
  if (largest == int(kLatentHidden)) hide_exact(chunk.keys, queries.n_queries, s.score);

  // All maxima first: each is a long chain of instructions, but they run side by side.
  for (int q = 0; q < queries.n_queries; ++q) {
    const int begin = queries.begin[q], end = queries.end[q];
    const bool sees = begin < end && end > chunk.begin && begin < chunk.end();
    float* score = s.score + q * kChunkTokens;
    const bool all = begin <= chunk.begin && end >= chunk.begin + kChunkTokens;
    if (sees && !all) hide(chunk, begin, end, score);
    s.top[q] = sees ? top_score<Ops>(score) : kUnseen;
  }
}

/// Softmax of a chunk's scores, and its values by those weights.
template <class Ops>
void weigh_and_mix(const LatentRuns& tiles, const WidthRuns& runs, int n_queries, Chunk& chunk,
                   LatentScratch<Ops>& s) {
  const ChunkScores scores{s.score, s.value_gain, float(s.largest_gain) / 16};
  s.weights.n_active = 0;
  chunk.ahead.start_weights(n_queries, tiles.v.n_groups());
  for (int q = 0; q < n_queries; ++q) {
    if (s.top[q] > 0.5f * kUnseen) weigh_chunk<Ops>(scores, q, s.top[q], s.sums, s.weights);
    chunk.ahead.burst();
  }
  if (s.weights.n_active == 0 || tiles.v.n_coords == 0) return;
  mix_values<Ops>(tiles.v, runs, chunk, s);
}

/// Adds query q's sums over the run to its state; out [d_v].
template <class Ops>
void merge_query(const LatentPlan& v, const LatentSums<Ops>& sums, int q, int d_v,
                 const AttendState& state) {
  using Float = typename Ops::Float;
  if (sums.max[q] <= 0.5f * kUnseen) return;
  const float run_max = sums.max[q] * kLn2, had = *state.max, max = std::max(run_max, had);
  const bool fresh = had == -std::numeric_limits<float>::infinity();
  const float keep = fresh ? 0.0f : had < max ? std::exp(had - max) : 1.0f;
  const float scale = run_max < max ? std::exp(run_max - max) : 1.0f;
  const float fine = Ops::sum_of(Float::load_aligned(sums.weighted[q]));
  const float coarse = Ops::sum_of(Float::load_aligned(sums.coarse[q]));
  *state.max = max;
  *state.sum = keep * *state.sum + scale * Ops::sum_of(Float::load_aligned(sums.weight[q]));
  for (int i = 0; i < d_v && !fresh; ++i) state.out[i] *= keep;
  for (int g = 0; g < v.n_groups(); ++g) {
    const float centre = float((1 << (v.widths[g] - 1)) - Ops::kValueOffset) - 0.5f;
    const float shift = centre * (g < sums.n_fine ? fine : coarse);
    const Four sum = sums.code_sums(q, g) - shift;
    const int first = kLatentGroup * g, n = std::min(kLatentGroup, v.n_coords - first);
    float* out = state.out + first;
    const float* steps = v.steps + first;
    if (n < kLatentGroup) {
      for (int i = 0; i < n; ++i) out[i] += scale * steps[i] * sum[i];
      continue;
    }
    Four four, step;
    std::memcpy(&four, out, sizeof four);
    std::memcpy(&step, steps, sizeof step);
    four += scale * step * sum;
    std::memcpy(out, &four, sizeof four);
  }
}

template <class Ops>
void attend_block(const LatentRuns& tiles, const QueryBlock& queries, int first_query,
                  const AttendState& state, LatentScratch<Ops>& scratch) {
  int begin = INT_MAX, end = 0;
  for (int q = 0; q < queries.n_queries; ++q) {
    if (queries.begin[q] >= queries.end[q]) continue;
    begin = std::min(begin, queries.begin[q]);
    end = std::max(end, queries.end[q]);
  }
  if (begin >= end) return;
  Chunks chunks(tiles, std::max(begin, 0), end);
  LaterParts later(tiles.later, chunks.n_left());
  Chunk chunk;
  chunks.take(chunk);
  prepare_queries<Ops>(tiles.k, queries, scratch.queries);
  const bool on_tiles = scratch.tiles && queries.n_queries >= kTileQueries;
  start_sums<Ops>(queries.n_queries, tiles.v, on_tiles, scratch.sums);
  const WidthRuns k_runs(tiles.k), v_runs(tiles.v);
  alignas(64) static constexpr float kNone[kChunkTokens] = {};
  chunk.start = {kNone, 0};
  // Of a few queries the mean gives a chunk its part while the maxima of the one before are still
  // on their way: a core would have nothing to do until they come.
  const bool early = tiles.mean && queries.n_queries < kMeanBlock;
  float* start = early ? scratch.start : scratch.score;
  if (tiles.mean) {
    scratch.mean.prepare(*tiles.mean, {first_query, first_query + queries.n_queries}, end);
    chunk.start = {start, kChunkTokens};
  }
  if (early) scratch.mean.fill(chunk.begin, start);
  for (;; chunks.take(chunk)) {
    later.take(chunk.ahead);
    if (tiles.mean && !early) scratch.mean.fill(chunk.begin, start);
    find_scores<Ops>(tiles, k_runs, queries, chunk, scratch);
    const bool last = chunks.done();
    if (early && !last) scratch.mean.fill(chunk.end(), start);
    weigh_and_mix<Ops>(tiles, v_runs, queries.n_queries, chunk, scratch);
    if (last) break;
  }
  for (int q = 0; q < queries.n_queries; ++q) {
    merge_query<Ops>(tiles.v, scratch.sums, q, queries.d_v, state.from(q, queries.d_v));
  }
}

template <class Ops>
void attend_blocks(const LatentRuns& tiles, const QueryBlock& queries, const AttendState& state,
                   LatentScratch<Ops>& scratch) {
  const int64_t row = tiles.v.n_groups() * kTileTokens;
  int most = int(std::clamp<int64_t>(kSumFloats / std::max<int64_t>(row, 1), 1, kQueryBlock));
  if (scratch.tiles) most = kQueryGroup;
  for (int first = 0; first < queries.n_queries; first += most) {
    const int end = std::min(first + most, queries.n_queries);
    attend_block<Ops>(tiles, queries.part({first, end}), first, state.from(first, queries.d_v),
                      scratch);
  }
}

template <class Ops>
void latent_attend(const LatentRuns& tiles, const QueryBlock& queries, const AttendState& state) {
  LatentScratch<Ops> scratch;
  if constexpr (kHasTiles<Ops>) {
    if (queries.n_queries >= kTileQueries) {
      typename Ops::Tiles unit(64);
      scratch.tiles = &unit;
      return attend_blocks<Ops>(tiles, queries, state, scratch);
    }
  }
  attend_blocks<Ops>(tiles, queries, state, scratch);
}

}  // namespace
}  // namespace lowkey::simd::wide
