// Flash attention of many queries by 16-bit integers, where a set multiplies pairs of them and adds
// both products to 32 bits (Lanes::dot_pairs): twice the products of floats per instruction.
//
// Integers are scaled by lengths. If neither of two vectors is longer than kPairOne = 2^15 - 1 as
// integers, their product stays within 2^30, whatever they hold (Cauchy and Schwarz), and no sum
// needs another look. So a query and a key are divided by their lengths; a column of a
// chunk's values by its length over the chunk's tokens; and weights, none of which exceeds 1, by
// the root of their sum. A rounding is at most 1 / 2^16 of a length: less than storing in 16 bits
// costs.
//
// Where some coordinates are far larger than others in all keys or all queries, lengths alone would
// leave the others too few bits. Queries are divided by the root mean square of each coordinate
// over the block first, and keys multiplied by it.
#pragma once

#include <cmath>
#include <cstring>

#include "simd/wide/attend_convert-inl.h"
#include "simd/wide/exp2-inl.h"

namespace lowkey::simd::wide {
namespace {

constexpr float kPairOne = 32767;
constexpr int kPairDims = 256;          // of a head, at most
constexpr int kPairShorts = 16 * 1024;  // of all queries that share a conversion

template <class Arch>
constexpr bool kHasPairs = requires {
  &Lanes<Arch>::dot_pairs;
};

/// Whether the integers have room for these queries.
inline bool fits_pairs(const QueryBlock& queries) {
  const auto fits = [](int d) { return d % kTileTokens == 0 && d <= kPairDims; };
  return fits(queries.d_k) && fits(queries.d_v);
}

/// kPairOne / length, 0 for a vector of zeros.
template <class Arch>
inline Vec<Arch> to_one(Vec<Arch> length) {
  using V = Vec<Arch>;
  return xsimd::select(length > V(0.0f), V(kPairOne) / length, V(0.0f));
}

/// Two 16-bit integers, for all lanes.
template <class Arch>
inline auto broadcast_pair(const int16_t* at) {
  int32_t pair;
  std::memcpy(&pair, at, sizeof pair);
  return typename Lanes<Arch>::Pairs(pair);
}

/// Queries of a block as integers, and a chunk of keys and values.
template <class Arch>
struct PairScratch {
  using V = Vec<Arch>;
  using L = Lanes<Arch>;
  static constexpr int kW = kLanes<Arch>, kPerTile = kTileTokens / kW;

  alignas(64) int16_t q[kPairShorts];                   // [n_queries, d_k]
  float q_unit[kPairShorts / kW];                       // of each query
  alignas(64) float spread[kPairDims];                  // of the coordinates over the queries
  alignas(64) int32_t k[kChunkTokens * kPairDims / 2];  // [vector of tokens][d_k / 2][kW]
  alignas(64) int32_t v[kChunkTokens / 2 * kPairDims];  // [pair of tokens][d_v]
  alignas(64) float k_unit[kChunkTokens];
  alignas(64) float v_unit[kPairDims];
  // [d_k or tokens][16]: a tile of keys, or a strip of values, which fills the first kW of 16.
  alignas(64) float floats[kTileTokens * kPairDims];

  void take_queries(const QueryBlock& queries) {
    const int d = queries.d_k, n = queries.n_queries;
    for (int i = 0; i < d; i += kW) {
      V squares(0.0f);
      for (int j = 0; j < n; ++j) {
        const V x = load<Arch>(queries.q + int64_t{j} * d + i);
        squares = mul_add<Arch>(x, x, squares);
      }
      xsimd::sqrt(squares * V(1.0f / float(n))).store_aligned(spread + i);
    }
    for (int j = 0; j < n; ++j) take_query(queries.q + int64_t{j} * d, d, j);
  }

  /// Tokens outside `seen` nobody wrote, or nobody sees.
  template <KvType kType>
  void take_chunk(const KvRun& chunk, const QueryBlock& queries, Range seen) {
    for (int i = 0; i * kTileTokens < chunk.n_tokens; ++i) {
      take_keys<kType>(chunk.k + i * chunk.tile_stride, queries.d_k, i);
    }
    take_values<kType>(chunk, queries.d_v, seen);
  }

 private:
  template <KvType kType>
  void take_keys(const std::byte* part, int d, int tile) {
    using Codec = KvCodec<Arch, kType>;
    if constexpr (Codec::kHasBlocks) convert_k<Codec>(part, d, floats);
    for (int j = 0; j < kPerTile; ++j) {
      V squares(0.0f);
      for (int i = 0; i < d; ++i) {
        const int at = i * kTileTokens + j * kW;
        V x = V(spread[i]);
        if constexpr (Codec::kHasBlocks) {
          x *= V::load_aligned(floats + at);
        } else {
          x *= Codec::load(part + at * Codec::kCodeBytes);
        }
        x.store_aligned(floats + at);
        squares = mul_add<Arch>(x, x, squares);
      }
      const int vector = tile * kPerTile + j;
      pair_rows(floats + j * kW, squares, d, k_unit + vector * kW, k + vector * d / 2 * kW, kW);
    }
  }

  /// Tokens outside `seen` become 0.
  template <KvType kType>
  void take_values(const KvRun& chunk, int d, Range seen) {
    const int n = round_up(chunk.n_tokens, 2);
    for (int col = 0; col < d; col += kW) {
      V squares(0.0f);
      for (int t = 0; t < n; ++t) {
        V x(0.0f);
        if (t >= seen.begin && t < seen.end) {
          KvCodec<Arch, kType>::template values<1>(chunk.v + t / kTileTokens * chunk.tile_stride, d,
                                                   t % kTileTokens, col, &x);
        }
        x.store_aligned(floats + t * kTileTokens);
        squares = mul_add<Arch>(x, x, squares);
      }
      pair_rows(floats, squares, n, v_unit + col, v + col, d);
    }
  }

  /// n vectors, `rows` and 16 floats from one to the next, to pairs of neighbours, `stride`
  /// integers from one pair to the next; each lane divided by its length, of which `squares` is the
  /// square, and that to `unit`.
  static void pair_rows(const float* rows, V squares, int n, float* unit, int32_t* to,
                        int64_t stride) {
    const V length = xsimd::sqrt(squares), inverse = to_one<Arch>(length);
    (length * V(1 / kPairOne)).store_aligned(unit);
    for (int i = 0; i < n; i += 2, to += stride) {
      const float* row = rows + i * kTileTokens;
      const V low = V::load_aligned(row), high = V::load_aligned(row + kTileTokens);
      L::pair_of(low * inverse, high * inverse).store_aligned(to);
    }
  }

  void take_query(const float* x, int d, int j) {
    V squares(0.0f);
    for (int i = 0; i < d; i += kW) {
      const V own = V::load_aligned(spread + i);
      const V scaled = xsimd::select(own > V(0.0f), load<Arch>(x + i) / own, V(0.0f));
      scaled.store_aligned(floats + i);
      squares = mul_add<Arch>(scaled, scaled, squares);
    }
    const float length = std::sqrt(L::sum(squares));
    const V inverse = to_one<Arch>(V(length));
    for (int i = 0; i < d; i += kW) {
      L::store_i16(q + j * d + i, V::load_aligned(floats + i) * inverse);
    }
    q_unit[j] = kLog2E * length / kPairOne;
  }
};

}  // namespace
}  // namespace lowkey::simd::wide
