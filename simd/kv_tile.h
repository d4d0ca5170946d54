// Layout of full-rank key/value tiles: 16 tokens of one KV head.
//
// Keys are stored transposed, so that a vector holds one coordinate of 16 tokens and scores need
// no sum across lanes; values are stored token by token. Blocks for q8_0 / q4_0 are the usual 32
// coordinates of one token (d must be a multiple of 32).
//   K part  kF32, kF16, kBF16: [d][16] elements
//           kQ8_0: f16 scale[d / 32][16], int8 code[d][16]
//           kQ4_0: f16 scale[d / 32][16], nibbles code[d / 2][16]: byte (i, t) of block b holds
//                  coordinate 32 b + i in the low nibble and 32 b + 16 + i in the high (i < 16)
//   V part  kF32, kF16, kBF16: [16][d] elements
//           kQ8_0: f16 scale[16][d / 32], int8 code[16][d]
//           kQ4_0: f16 scale[16][d / 32], nibbles [16][d / 2], paired as in K
// q8_0: x = scale * code, scale = max|x| / 127. q4_0: x = scale * (nibble - 8), with scale such
// that the entry of largest magnitude becomes -8 (ggml's rule).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/view.h"

namespace lowkey::simd {

constexpr int kTileTokens = 16;

enum class KvType : uint8_t { kF32, kF16, kBF16, kQ8_0, kQ4_0 };

/// Bytes of one token's head vector of d coordinates; the same for K and V.
constexpr int64_t kv_row_bytes(KvType type, int64_t d) {
  switch (type) {
    case KvType::kF32:
      return 4 * d;
    case KvType::kF16:
    case KvType::kBF16:
      return 2 * d;
    case KvType::kQ8_0:
      return d + d / 32 * 2;
    case KvType::kQ4_0:
      return d / 2 + d / 32 * 2;
  }
  return 0;
}

/// Bytes of the K part, and of the V part, of one tile.
constexpr int64_t kv_part_bytes(KvType type, int64_t d) {
  return kTileTokens * kv_row_bytes(type, d);
}

/// A run of tiles with consecutive tokens of one KV head.
struct KvRun {
  const std::byte* k = nullptr;  // K part of the first tile
  const std::byte* v = nullptr;  // V part of the first tile
  int64_t tile_stride = 0;       // bytes from one tile to the next, for both parts
  int n_tokens = 0;              // readable tokens; the last tile may be partly filled
};

/// Queries that attend to one run. Query i sees the tokens begin[i] <= t < end[i] of the run
/// (clamped to it by the caller; an empty range is allowed).
struct QueryBlock {
  const float* q = nullptr;  // [n_queries, d_k], already multiplied by the softmax scale
  const int32_t* begin = nullptr;
  const int32_t* end = nullptr;
  int n_queries = 0;
  int d_k = 0;
  int d_v = 0;

  QueryBlock part(Range some) const {
    return {q + some.begin * d_k, begin + some.begin, end + some.begin, int(some.size()), d_k, d_v};
  }
};

/// Running state of an online softmax; start with max = -inf, sum = 0, out = 0.
/// Output of query i = out[i] / sum[i] at the end.
struct AttendState {
  float* max = nullptr;  // [n_queries], which a set may let scores exceed by 5
  float* sum = nullptr;  // [n_queries]
  float* out = nullptr;  // [n_queries, d_v]

  AttendState from(int query, int d_v) const {
    return {max + query, sum + query, out + int64_t{query} * d_v};
  }
};

}  // namespace lowkey::simd
