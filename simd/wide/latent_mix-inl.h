// Softmax of a chunk of scores, and the sums of value codes weighted by it, in integers.
#pragma once

#include <limits>

#include "simd/wide/latent_score-inl.h"

namespace lowkey::simd::wide {
namespace {

/// Weights are integers up to 127 * 128, relative to the largest of their chunk and query. That one
/// stays a little below: scores of 1,000 are uncertain by as much, and the upper half of one more
/// than 127 * 128, rounded up, would be 128.
/// Of 127 * 128 - 3: not even 2^x's error leads beyond 127 * 128 - 1, where the upper half ends.
constexpr float kLog2WeightMax = 13.98841842f;
/// Score of a token that a query must not see. Finite, so that no infinities meet; far below
/// anything that 2^x can represent.
constexpr float kUnseen = -1e30f;

/// Of one group of queries with the most coordinates: near the core with any that a model has.
constexpr int kSumFloats = kQueryGroup * kLatentMaxCoords / kLatentGroup * kTileTokens;

/// Running sums of a block of queries over a run of tiles, relative to 2^max.
template <class Ops>
struct LatentSums {
  float max[kQueryBlock];  // in units of log 2; scores may lie some way above
  alignas(64) float weight[kQueryBlock][Ops::kLanes];    // sum of p
  alignas(64) float weighted[kQueryBlock][Ops::kLanes];  // sum of p g, as rounded
  alignas(64) float coarse[kQueryBlock][Ops::kLanes];    // the same by the upper halves alone
  alignas(64) float out[kSumFloats];
  int64_t row = 0;  // floats of one query in `out`
  int n_fine = 0;   // groups from here on take the upper halves of the weights alone
  // Where matrix tiles mix, 16 coordinates of 4 groups share a vector, coordinate c of group g in
  // lane 4 c + g % 4. Otherwise a group fills one, its coordinates four lanes each.
  bool on_tiles = false;

  /// Of the coordinates of group g.
  Four code_sums(int q, int g) const {
    const float* own = out + q * row;
    if (on_tiles) {
      const float* lane = own + g / 4 * 16 + g % 4;
      return Four{lane[0], lane[4], lane[8], lane[12]};
    }
    const auto* c = reinterpret_cast<const Four*>(own + g * kTileTokens);
    const Four even = __builtin_shufflevector(c[0], c[1], 0, 4, 1, 5) +
                      __builtin_shufflevector(c[0], c[1], 2, 6, 3, 7);
    const Four odd = __builtin_shufflevector(c[2], c[3], 0, 4, 1, 5) +
                     __builtin_shufflevector(c[2], c[3], 2, 6, 3, 7);
    return __builtin_shufflevector(even, odd, 0, 1, 4, 5) +
           __builtin_shufflevector(even, odd, 2, 3, 6, 7);
  }
};

/// Rounded weights of the queries that see anything of a chunk.
struct ChunkWeights {
  int n_active = 0;
  int query[kQueryBlock];
  float unit[kQueryBlock];  // what an integer step is worth, relative to 2^max
  alignas(64) int8_t hi[kQueryBlock][kChunkTokens];
  alignas(64) int8_t lo[kQueryBlock][kChunkTokens];
  // Where a set has word products, instead of lo: 128 hi + lo, of each tile's even tokens, then its
  // odd ones.
  alignas(64) int16_t words[kQueryBlock][kChunkTokens];
};

template <class Ops>
void start_sums(int n_queries, const LatentPlan& values, bool on_tiles, LatentSums<Ops>& sums) {
  sums.on_tiles = on_tiles;
  sums.row = (on_tiles ? ceil_div(values.n_groups(), 4) : values.n_groups()) * kTileTokens;
  sums.n_fine = count_fine_groups(values, Ops::kFineValueWidth);
  std::fill_n(sums.max, n_queries, kUnseen);
  std::fill_n(&sums.weight[0][0], n_queries * Ops::kLanes, 0.0f);
  std::fill_n(&sums.weighted[0][0], n_queries * Ops::kLanes, 0.0f);
  std::fill_n(&sums.coarse[0][0], n_queries * Ops::kLanes, 0.0f);
  std::fill_n(sums.out, n_queries * sums.row, 0.0f);
}

/// Makes 2^max, max = `max`, the unit of query q's sums, if they are new or could overflow: floats
/// keep their precision up to far larger scores, and to scale sums takes longer than to add to
/// them.
template <class Ops>
void raise_max(float max, int q, LatentSums<Ops>& sums) {
  using Float = typename Ops::Float;
  constexpr float kRoom = 32;  // sums of 2^32 and more tokens stay finite
  if (max <= sums.max[q] + kRoom) return;
  if (sums.max[q] <= kUnseen) {  // nothing to scale yet
    sums.max[q] = max;
    return;
  }
  const Float keep = Ops::exp2(Float(sums.max[q] - max));
  sums.max[q] = max;
  const auto scale = [&](float* p) { (Float::load_aligned(p) * keep).store_aligned(p); };
  scale(sums.weight[q]);
  scale(sums.weighted[q]);
  scale(sums.coarse[q]);
  for (int64_t i = 0; i < sums.row; i += Ops::kLanes) scale(sums.out + q * sums.row + i);
}

/// Largest of a chunk of scores.
template <class Ops>
float top_score(const float* score) {
  using Float = typename Ops::Float;
  constexpr int kLanes = Ops::kLanes;
  Float even = Float::load_aligned(score), odd = Float::load_aligned(score + kLanes);
  for (int t = 2 * kLanes; t < kChunkTokens; t += 2 * kLanes) {
    even = xsimd::max(even, Float::load_aligned(score + t));
    odd = xsimd::max(odd, Float::load_aligned(score + t + kLanes));
  }
  return Ops::max_of(xsimd::max(even, odd));
}

/// What the weights of a chunk come from.
struct ChunkScores {
  const float* score;  // [n_queries, kChunkTokens]
  const float* gain;   // of the values, [kChunkTokens]
  float log2_gain;     // the largest gain is 2^log2_gain
};

/// Softmax weights of query q, whose scores reach up to `max`, times the value gains.
template <class Ops>
void weigh_chunk(const ChunkScores& chunk, int q, float max, LatentSums<Ops>& sums,
                 ChunkWeights& weights) {
  using Float = typename Ops::Float;
  constexpr int kLanes = Ops::kLanes, kBlock = 64 / kLanes;
  raise_max(max, q, sums);
  const int slot = weights.n_active++;
  const float* score = chunk.score + q * kChunkTokens;
  const float shift = max - kLog2WeightMax + chunk.log2_gain;
  Float sum(0.0f);
  typename Ops::Int rounded(0), upper(0);
  for (int t = 0; t < kChunkTokens; t += 64) {
    Float w[kBlock];
    for (int i = 0; i < kBlock; ++i) {
      const Float p = Ops::exp2(Float::load_aligned(score + t + i * kLanes) - Float(shift));
      sum += p;
      w[i] = p * Float::load_aligned(chunk.gain + t + i * kLanes);
    }
    if constexpr (kWordProducts<Ops>) {
      Ops::halves(w, weights.hi[slot] + t, weights.words[slot] + t, rounded, upper);
    } else {
      Ops::halves(w, weights.hi[slot] + t, weights.lo[slot] + t, rounded, upper);
    }
  }
  const Float unit = Ops::exp2(Float(shift - sums.max[q]));
  const auto add = [&](Float x, float* p) {
    Ops::mul_add(x, unit, Float::load_aligned(p)).store_aligned(p);
  };
  add(sum, sums.weight[q]);
  add(xsimd::to_float(rounded), sums.weighted[q]);
  add(xsimd::to_float(upper) * Float(128.0f), sums.coarse[q]);
  weights.query[slot] = q;
  weights.unit[slot] = Ops::first(unit);
}

/// out [16] += (128 hi + lo) unit; kFine: lo is not 0.
template <class Ops, bool kFine, class Upper, class Sums>
[[gnu::always_inline]] inline void add_mixed(const Upper& hi, const Sums& lo, float unit,
                                             float* out) {
  using Float = typename Ops::Float;
  constexpr bool kUpper = !kFine && Ops::kFineValueWidth > 1;
  const Float scale(kUpper ? 128 * unit : unit);
  for (int part = 0; part < kTileTokens / Ops::kLanes; ++part, out += Ops::kLanes) {
    Float sum;
    if constexpr (kUpper) {
      sum = Ops::to_float(hi, part);
    } else if constexpr (kWordProducts<Ops>) {
      sum = Ops::to_float(lo, part);
    } else {
      sum = Ops::to_float(hi, lo, part);
    }
    Ops::mul_add(sum, scale, Float::load_aligned(out)).store_aligned(out);
  }
}

/// Some neighbouring groups of a chunk's codes, unpacked.
struct MixGroups {
  const uint8_t* codes;  // [n_groups][kChunkTiles][64]
  Range groups;
};

/// Sums over the tokens of kTiles tiles for kQueries active queries from `first` on, of groups that
/// take both halves of the weights (kFine) or the upper ones. The weights of a query stay in
/// registers while the codes pass: they must be repeated for each coordinate, and loads that repeat
/// are slower than plain ones. In two chains where they are long, since a core looks only so far
/// ahead for work that need not wait.
template <class Ops, int kTiles, int kQueries, bool kFine>
void mix_queries(const MixGroups& part, const ChunkWeights& weights, int first,
                 LatentSums<Ops>& sums) {
  constexpr int kChains = !kFine && kTiles > 4 ? Ops::kMixChains : 1;
  using Weights = decltype(Ops::broadcast16(nullptr));
  constexpr bool kLower = kFine && !kWordProducts<Ops>;
  Weights p_hi[kQueries][kTiles], p_lo[kQueries][kLower ? kTiles : 1];
  float* out[kQueries];
  float unit[kQueries];  // in no memory that the sums could lie in, for all the compiler knows
  for (int q = 0; q < kQueries; ++q) {
    const int a = first + q;
    for (int t = 0; t < kTiles; ++t) {
      p_hi[q][t] = Ops::broadcast16(weights.hi[a] + t * kTileTokens);
      if constexpr (kLower) p_lo[q][t] = Ops::broadcast16(weights.lo[a] + t * kTileTokens);
    }
    out[q] = sums.out + weights.query[a] * sums.row;
    unit[q] = weights.unit[a];
  }
  for (int64_t g = part.groups.begin; g < part.groups.end; ++g) {
    const uint8_t* codes = part.codes + g * kChunkTiles * kGroupCodes;
    typename Ops::Upper hi[kQueries][kChains];
    typename Ops::Sums lo[kQueries];
    unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
      for (int i = 0; i < kChains; ++i) hi[q][i] = Ops::upper();
      lo[q] = Ops::sums(0);
    });
    unrolled<kTiles>([&](auto t) __attribute__((always_inline)) {
      const auto c = Ops::load_values(codes + t * kGroupCodes);
      unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
        if constexpr (kFine && kWordProducts<Ops>) {
          lo[q] = Ops::dot_words(lo[q], c,
                                 Ops::weight_words(weights.words[first + q] + t * kTileTokens));
          return;
        }
        hi[q][t % kChains] = Ops::dot_v(hi[q][t % kChains], c, p_hi[q][t]);
        if constexpr (kLower) lo[q] = Ops::dot_v(lo[q], c, p_lo[q][t]);
      });
    });
    unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
      if constexpr (kChains > 1) hi[q][0] = Ops::add_sums(hi[q][0], hi[q][1]);
      add_mixed<Ops, kFine>(hi[q][0], lo[q], unit[q], out[q] + g * kTileTokens);
    });
  }
}

/// Sums over the tokens of kTiles tiles, for every group and every active query.
template <class Ops, int kTiles>
void mix_tiles(const uint8_t* codes, int n_groups, const ChunkWeights& weights,
               LatentSums<Ops>& sums) {
  const MixGroups fine{codes, {0, sums.n_fine}}, rest{codes, {sums.n_fine, n_groups}};
  int a = 0;
  for (; a + Ops::kMixQueries <= weights.n_active; a += Ops::kMixQueries) {
    for (int q = 0; q < Ops::kMixQueries; ++q) {
      mix_queries<Ops, kTiles, 1, true>(fine, weights, a + q, sums);
    }
    mix_queries<Ops, kTiles, Ops::kMixQueries, false>(rest, weights, a, sums);
  }
  for (; a < weights.n_active; ++a) {
    mix_queries<Ops, kTiles, 1, true>(fine, weights, a, sums);
    mix_queries<Ops, kTiles, 1, false>(rest, weights, a, sums);
  }
}

/// Unused tiles up to the next power of two have weight 0 and may hold any codes.
template <class Ops>
void mix_chunk(const uint8_t* codes, int n_tiles, int n_groups, const ChunkWeights& weights,
               LatentSums<Ops>& sums) {
  if (n_tiles > 4) return mix_tiles<Ops, 8>(codes, n_groups, weights, sums);
  if (n_tiles > 2) return mix_tiles<Ops, 4>(codes, n_groups, weights, sums);
  if (n_tiles > 1) return mix_tiles<Ops, 2>(codes, n_groups, weights, sums);
  mix_tiles<Ops, 1>(codes, n_groups, weights, sums);
}

}  // namespace
}  // namespace lowkey::simd::wide
