// Queries, and a chunk of keys and values, as matrix tiles of bf16 (two_parts.h).
#pragma once

#include "simd/amx/two_parts.h"
#include "simd/avx512/lanes.h"
#include "simd/wide/attend_convert-inl.h"
#include "simd/wide/attend_scores-inl.h"
#include "simd/wide/exp2-inl.h"

namespace lowkey::simd::amx {
namespace {

constexpr int kStepTokens = 32;            // of values that one product takes
constexpr int kStepDims = 32;              // of keys
constexpr int kMostDims = 256;             // of a head
constexpr int kQueryElements = 16 * 1024;  // of all queries that share a conversion

struct AttendScratch {
  static constexpr int kTiles = wide::kChunkTokens * kMostDims;
  TwoParts<kQueryElements> q;  // [n_queries, q_stride]
  TwoParts<kTiles> k;          // [token tile][32 dims], tiles
  TwoParts<kTiles> v;          // [32 tokens][16 dims], tiles
  alignas(64) float floats[kTileTokens * kMostDims];
  int q_stride, d_k, d_v;

  /// Scores come in units of log 2.
  void take_queries(const QueryBlock& queries) {
    d_k = queries.d_k, d_v = queries.d_v, q_stride = int(round_up(d_k, kStepDims));
    const __m512 log2e = _mm512_set1_ps(wide::kLog2E);
    for (int i = 0; i < queries.n_queries; ++i) {
      const float* x = queries.q + int64_t{i} * d_k;
      for (int c = 0; c < q_stride; c += kStepDims) {
        const __mmask16 has_high = c + 16 < d_k ? 0xffff : 0;
        const __m512 low = _mm512_mul_ps(_mm512_loadu_ps(x + c), log2e);
        const __m512 high = _mm512_mul_ps(_mm512_maskz_loadu_ps(has_high, x + c + 16), log2e);
        q.store_row(i * q_stride + c, low, high);
      }
    }
  }

  /// Values of tokens outside `seen`, which nobody wrote or nobody sees, become 0.
  template <KvType kType>
  void take_chunk(const KvRun& chunk, Range seen) {
    for (int i = 0; i * kTileTokens < chunk.n_tokens; ++i) {
      take_keys<kType>(chunk.k + i * chunk.tile_stride, i * q_stride * kTileTokens);
    }
    for (int t = 0; t < round_up(chunk.n_tokens, kStepTokens); t += 2) {
      take_values<kType>(chunk, seen, t);
    }
  }

 private:
  template <KvType kType>
  using Codec = wide::KvCodec<avx512::Arch, kType>;

  // What loops need is local: stores into tiles might change members, as far as compilers know.

  template <KvType kType>
  void take_keys(const std::byte* part, int to) {
    using Keys = Codec<kType>;
    const int d = d_k, n = q_stride;
    if constexpr (Keys::kHasBlocks) wide::convert_k<Keys>(part, d, floats);
    const auto row = [&](int c) -> __m512 {
      if constexpr (Keys::kHasBlocks) return _mm512_load_ps(floats + c * kTileTokens);
      return Keys::load(part + c * kTileTokens * Keys::kCodeBytes);
    };
    int c = 0;
    for (; c < d; c += 2, to += 2 * kTileTokens) k.store_pair(to, row(c), row(c + 1));
    const __m512 none = _mm512_setzero_ps();
    for (; c < n; c += 2, to += 2 * kTileTokens) k.store_pair(to, none, none);
  }

  /// Tokens t and t + 1.
  template <KvType kType>
  void take_values(const KvRun& chunk, Range seen, int t) {
    const int d = d_v;
    const std::byte* part = chunk.v + t / kTileTokens * chunk.tile_stride;
    const auto value = [&](int token, int c) {
      wide::Vec<avx512::Arch> x;
      Codec<kType>::template values<1>(part, d, token % kTileTokens, c, &x);
      return x;
    };
    const auto is_seen = [&](int token) { return token >= seen.begin && token < seen.end; };
    const auto rows = [&](auto first, auto second) {
      const int to = t / kStepTokens * d * kStepTokens + t % kStepTokens * kTileTokens;
      for (int c = 0; c < d; c += 16) v.store_pair(to + c * kStepTokens, first(c), second(c));
    };
    const auto nothing = [](int) { return _mm512_setzero_ps(); };
    const auto here = [&](int c) { return value(t, c); };
    const auto next = [&](int c) { return value(t + 1, c); };
    if (is_seen(t) && is_seen(t + 1)) return rows(here, next);
    if (is_seen(t)) return rows(here, nothing);
    if (is_seen(t + 1)) return rows(nothing, next);
    rows(nothing, nothing);
  }
};

}  // namespace
}  // namespace lowkey::simd::amx
