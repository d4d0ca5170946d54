// Flash attention on latent tiles, without reconstruction: per chunk of 128 tokens unpack the keys,
// score, weigh, unpack the values, mix. Only sums over a chunk leave the integers.
#pragma once

#include "simd/wide/latent_mix-inl.h"

namespace lowkey::simd::wide {
namespace {

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
};

/// Tokens [begin, begin + n_tokens) of a run, begin on a tile.
struct Chunk {
  int begin = 0;
  int n_tokens = 0;

  int n_tiles() const { return (n_tokens + kTileTokens - 1) / kTileTokens; }
  int end() const { return begin + n_tokens; }
};

/// Gains of a chunk's tokens, 1 beyond its end; returns the largest code.
template <class Ops>
int load_gains(const LatentPlan& plan, const PartRun& parts, int n_tokens, float* gain) {
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

/// The runs' parts and how they are coded.
struct LatentRun {
  const LatentPlan& k;
  const LatentPlan& v;
  const KvRun& run;
};

template <class Ops>
void attend_chunk(const LatentRun& tiles, const QueryBlock& queries, const Chunk& chunk,
                  LatentScratch<Ops>& s) {
  const int64_t stride = tiles.run.tile_stride, at = chunk.begin / kTileTokens * stride;
  const PartRun keys{tiles.run.k + at, stride, chunk.n_tiles()};
  const PartRun values{tiles.run.v + at, stride, chunk.n_tiles()};
  load_gains<Ops>(tiles.k, keys, chunk.n_tokens, s.key_gain);
  const int largest = load_gains<Ops>(tiles.v, values, chunk.n_tokens, s.value_gain);
  unpack_part<Ops, kChunkTiles>(tiles.k, keys, s.codes);
  score_chunk<Ops>({s.queries, s.codes, s.key_gain, s.score}, keys.n_tiles);

  // All maxima first: each is a long chain of instructions, but they run side by side.
  float top[kQueryBlock];
  for (int q = 0; q < queries.n_queries; ++q) {
    const int begin = queries.begin[q], end = queries.end[q];
    const bool sees = begin < end && end > chunk.begin && begin < chunk.end();
    float* score = s.score + q * kChunkTokens;
    const bool all = begin <= chunk.begin && end >= chunk.begin + kChunkTokens;
    if (sees && !all) hide(chunk, begin, end, score);
    top[q] = sees ? top_score<Ops>(score) : kUnseen;
  }
  const ChunkScores scores{s.score, s.value_gain, float(largest) / 16};
  s.weights.n_active = 0;
  for (int q = 0; q < queries.n_queries; ++q) {
    if (top[q] > 0.5f * kUnseen) weigh_chunk<Ops>(scores, q, top[q], s.sums, s.weights);
  }
  if (s.weights.n_active == 0 || tiles.v.n_coords == 0) return;
  unpack_part<Ops, kChunkTiles>(tiles.v, values, s.codes);
  mix_chunk<Ops>(s.codes, values.n_tiles, tiles.v.n_groups(), s.weights, s.sums);
}

/// Adds query q's sums over the run to its state; out [d_v].
template <class Ops>
void merge_query(const LatentPlan& v, const LatentSums<Ops>& sums, int q, int d_v,
                 const AttendState& state) {
  using Float = typename Ops::Float;
  constexpr float kLn2 = 0.693147181f;
  if (sums.max[q] <= 0.5f * kUnseen) return;
  const float run_max = sums.max[q] * kLn2, max = std::max(run_max, *state.max);
  const float keep = std::exp(*state.max - max), scale = std::exp(run_max - max);
  const float weighted = Ops::sum_of(Float::load_aligned(sums.weighted[q]));
  *state.max = max;
  *state.sum = keep * *state.sum + scale * Ops::sum_of(Float::load_aligned(sums.weight[q]));
  for (int i = 0; i < d_v; ++i) state.out[i] *= keep;
  const float* lanes = sums.out + q * sums.row;
  for (int g = 0; g < v.n_groups(); ++g) {
    const float centre = float((1 << (v.widths[g] - 1)) - Ops::kValueOffset) - 0.5f;
    const int first = kLatentGroup * g, end = std::min(first + kLatentGroup, v.n_coords);
    for (int i = first; i < end; ++i, lanes += 4) {
      const float code_sum = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
      state.out[i] += scale * v.steps[i] * (code_sum - centre * weighted);
    }
  }
}

template <class Ops>
void attend_block(const LatentRun& tiles, const QueryBlock& queries, const AttendState& state,
                  LatentScratch<Ops>& scratch) {
  int begin = tiles.run.n_tokens, end = 0;
  for (int q = 0; q < queries.n_queries; ++q) {
    if (queries.begin[q] >= queries.end[q]) continue;
    begin = std::min(begin, queries.begin[q]);
    end = std::max(end, queries.end[q]);
  }
  begin = std::max(begin, 0) / kTileTokens * kTileTokens;
  end = std::min(end, tiles.run.n_tokens);
  if (begin >= end) return;
  prepare_queries<Ops>(tiles.k, queries, scratch.queries);
  start_sums<Ops>(queries.n_queries, tiles.v.n_groups(), scratch.sums);
  for (int at = begin; at < end; at += kChunkTokens) {
    attend_chunk<Ops>(tiles, queries, {at, std::min(kChunkTokens, end - at)}, scratch);
  }
  for (int q = 0; q < queries.n_queries; ++q) {
    merge_query<Ops>(tiles.v, scratch.sums, q, queries.d_v,
                     {state.max + q, state.sum + q, state.out + int64_t{q} * queries.d_v});
  }
}

template <class Ops>
void latent_attend(const LatentPlan& k, const LatentPlan& v, const KvRun& run,
                   const QueryBlock& queries, const AttendState& state) {
  LatentScratch<Ops> scratch;
  for (int first = 0; first < queries.n_queries; first += kQueryBlock) {
    QueryBlock block = queries;
    block.q += int64_t{first} * queries.d_k;
    block.begin += first;
    block.end += first;
    block.n_queries = std::min(kQueryBlock, queries.n_queries - first);
    attend_block<Ops>(
        {k, v, run}, block,
        {state.max + first, state.sum + first, state.out + int64_t{first} * queries.d_v}, scratch);
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
