// Attention of a block of queries on matrix tiles: products of 16 queries with the codes of 16
// tokens, and of their weights for 64 tokens with 16 coordinates of the values, in one instruction
// each. Few queries, and what lies between the products, are the AVX-512 set's.
#pragma once

#include "simd/avx512/latent_ops.h"
#include "simd/wide/latent_attend-inl.h"

namespace lowkey::simd::amx {
namespace {

/// Unpacked codes of a chunk: [n_groups][wide::kChunkTiles][64].
struct ChunkCodes {
  const uint8_t* codes;
  int n_tiles;
  int n_groups;
};

/// Sums of one pair of tiles: by the upper and by the lower halves.
struct TilePair {
  alignas(64) int32_t hi[16][16];
  alignas(64) int32_t lo[16][16];
};

/// Four groups of the values of one tile, four tokens of a coordinate side by side in each 32 bits,
/// to rows of four tokens: row [4][64], coordinate c of group g in lane 4 c + g.
inline void transpose_groups(const __m512i (&group)[4], uint8_t* row) {
  const __m512i low01 = _mm512_unpacklo_epi32(group[0], group[1]);
  const __m512i low23 = _mm512_unpacklo_epi32(group[2], group[3]);
  const __m512i high01 = _mm512_unpackhi_epi32(group[0], group[1]);
  const __m512i high23 = _mm512_unpackhi_epi32(group[2], group[3]);
  _mm512_store_si512(row, _mm512_unpacklo_epi64(low01, low23));
  _mm512_store_si512(row + 64, _mm512_unpackhi_epi64(low01, low23));
  _mm512_store_si512(row + 128, _mm512_unpacklo_epi64(high01, high23));
  _mm512_store_si512(row + 192, _mm512_unpackhi_epi64(high01, high23));
}

/// The codes of groups [first, first + 4), beyond the last one 0, as rows of four tokens.
inline void transpose_block(const ChunkCodes& in, int first, int n_tiles, uint8_t* rows) {
  for (int t = 0; t < n_tiles; ++t) {
    __m512i group[4];
    for (int g = 0; g < 4; ++g) {
      const uint8_t* codes = in.codes + ((first + g) * wide::kChunkTiles + t) * wide::kGroupCodes;
      group[g] = first + g < in.n_groups ? _mm512_load_si512(codes) : _mm512_setzero_si512();
    }
    transpose_groups(group, rows + t * 4 * 64);
  }
}

template <class Unit>
struct TileLatentOps : avx512::LatentOps {
  using Tiles = Unit;

  /// Adds to the scores of a block what the codes of its keys give.
  static void score(Unit& unit, const wide::ScoreTask& task, int n_tiles) {
    const wide::LatentQueries& lq = task.queries;
    constexpr int64_t kGroup = wide::kChunkTiles * wide::kGroupCodes;
    const int n_steps = int(ceil_div(lq.n_groups, 16)), n_fine = int(ceil_div(lq.n_fine, 16));
    TilePair sums;
    for (int t = 0; t < n_tiles; ++t) {
      const uint8_t* codes = task.codes + t * wide::kGroupCodes;
      unit.start();
      for (int s = 0; s < n_steps; ++s) {
        unit.load_codes(codes + s * 16 * kGroup, kGroup);
        unit.add_hi(lq.hi[0] + 64 * s, kLatentMaxCoords);
        if (s < n_fine) unit.add_lo(lq.lo[0] + 64 * s, kLatentMaxCoords);
      }
      take_sums(unit, sums);
      finish(task, t, sums);
    }
  }

  /// Adds the codes of a chunk's values, weighted, to the sums of the active queries.
  static void mix(Unit& unit, const ChunkCodes& in, const wide::ChunkWeights& weights,
                  wide::LatentSums<TileLatentOps>& sums) {
    const int n_steps = int(ceil_div(in.n_tiles, 4));  // tiles behind the last have weight 0
    alignas(64) uint8_t rows[wide::kChunkTiles * 4 * 64];
    TilePair products;
    for (int g = 0; g < in.n_groups; g += 4) {
      const int n_fine = std::clamp(sums.n_fine - g, 0, 4);
      transpose_block(in, g, 4 * n_steps, rows);
      unit.start();
      for (int s = 0; s < n_steps; ++s) {
        unit.load_codes(rows + s * 16 * 64, 64);
        unit.add_hi(weights.hi[0] + 64 * s, wide::kChunkTokens);
        if (n_fine > 0) unit.add_lo(weights.lo[0] + 64 * s, wide::kChunkTokens);
      }
      take_sums(unit, products);
      add_products(products, weights, n_fine, g / 4, sums);
    }
  }

 private:
  static void take_sums(Unit& unit, TilePair& sums) {
    unit.store_hi(sums.hi[0]);
    unit.store_lo(sums.lo[0]);
  }

  /// Adds the sums of one tile of tokens to the scores of all queries.
  static void finish(const wide::ScoreTask& task, int tile, const TilePair& sums) {
    for (int q = 0; q < task.queries.n_queries; ++q) {
      Sums hi[1][1], lo[1][1];
      wide::start_tiles<TileLatentOps, wide::Groups::kAll, 1, 1>(task.queries, q, hi, lo);
      hi[0][0] = _mm512_add_epi32(hi[0][0], _mm512_load_si512(sums.hi[q]));
      lo[0][0] = _mm512_add_epi32(lo[0][0], _mm512_load_si512(sums.lo[q]));
      wide::finish_tiles<TileLatentOps, wide::Groups::kAll, 1, 1>(task, task.start, q, tile, hi,
                                                                  lo);
    }
  }

  /// The first n_fine groups of block `b` take both halves of the weights.
  static void add_products(const TilePair& products, const wide::ChunkWeights& weights, int n_fine,
                           int b, wide::LatentSums<TileLatentOps>& sums) {
    const auto fine = __mmask16(0x1111 * ((1 << n_fine) - 1));
    for (int a = 0; a < weights.n_active; ++a) {
      const Sums hi = _mm512_load_si512(products.hi[a]);
      const Sums lo = _mm512_maskz_loadu_epi32(fine, products.lo[a]);
      wide::add_mixed<TileLatentOps, true>(hi, lo, weights.unit[a],
                                           sums.out + weights.query[a] * sums.row + 16 * b);
    }
  }
};

}  // namespace
}  // namespace lowkey::simd::amx
