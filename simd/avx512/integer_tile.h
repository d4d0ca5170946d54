// The inner loop of quantised matrix products: one panel against a few tokens, in registers.
//   y[row] = sum_b scale_a[b] (scale_w[row, b] * (sum_c code q - offset sum_c q)
//                              + minimum[row, b] * sum_c q),     q = 128 hi + lo
#pragma once

#include "simd/avx512/block_source.h"

namespace lowkey::simd::avx512 {
namespace {

constexpr int kSlabBlocks =
    32;  // columns of one pass: 16 KiB of codes stay in the first-level cache

/// Activations of some tokens over the columns of one slab.
struct SlabInput {
  const int8_t* hi;    // [.., stride] at the slab's first column
  const int8_t* lo;    // the same, or nullptr
  int64_t stride;      // columns from token to token
  const float* scale;  // [.., stride / 32]
  const int32_t* sum;  // [.., stride / 16]
  int64_t n_blocks;    // of the slab, at most kSlabBlocks
  int offset;

  SlabInput token(int64_t t) const {
    return {hi + t * stride,
            lo ? lo + t * stride : nullptr,
            stride,
            scale + t * stride / kBlockCols,
            sum + t * stride / 16,
            n_blocks,
            offset};
  }
};

/// What depends on an activation's sums, worked out before the loop.
struct SlabSums {
  alignas(
      64) int32_t start[2 * kSlabBlocks];  // -offset * sum per 16 columns (in units of hi if !kLo)
  alignas(64) float weight[kSlabBlocks];   // scale * sum per block, for the minima
};

template <class Source, bool kLo>
void prepare_sums(const SlabInput& in, SlabSums* out) {
  if constexpr (Source::kHasMinimum) {
    for (int64_t b = 0; b < in.n_blocks; ++b) {
      out->weight[b] = in.scale[b] * float(in.sum[2 * b] + in.sum[2 * b + 1]);
    }
  } else if constexpr (Source::kScales == 1) {
    for (int64_t b = 0; b < in.n_blocks; ++b) {
      out->start[b] = (-in.offset * (in.sum[2 * b] + in.sum[2 * b + 1])) >> (kLo ? 0 : 7);
    }
  } else {
    for (int64_t i = 0; i < 2 * in.n_blocks; ++i) {
      out->start[i] = (-in.offset * in.sum[i]) >> (kLo ? 0 : 7);
    }
  }
}

inline __m512i broadcast4(const int8_t* q) {
  int32_t four;
  __builtin_memcpy(&four, q, 4);
  return _mm512_set1_epi32(four);
}

/// start + sum of codes v [kBegin, kEnd) times q, whose four columns of vector v are at q + 4 v.
template <int kBegin, int kEnd>
__m512i dot(const CodeVectors& codes, const int8_t* q, __m512i start) {
  // Two chains: the instruction takes five cycles, and few tokens leave no other work.
  __m512i even = start, odd = _mm512_setzero_si512();
  for (int v = kBegin; v < kEnd; v += 2) {
    even = _mm512_dpbusd_epi32(even, codes.v[v], broadcast4(q + 4 * v));
    odd = _mm512_dpbusd_epi32(odd, codes.v[v + 1], broadcast4(q + 4 * v + 4));
  }
  return _mm512_add_epi32(even, odd);
}

/// As dot, one chain: with many tokens the additions count and the latency does not.
template <int kBegin, int kEnd>
__m512i dot_chain(const CodeVectors& codes, const int8_t* q, __m512i start) {
  for (int v = kBegin; v < kEnd; ++v) {
    start = _mm512_dpbusd_epi32(start, codes.v[v], broadcast4(q + 4 * v));
  }
  return start;
}

template <bool kLo, bool kShort, int kBegin, int kEnd>
__m512i dot_parts(const CodeVectors& codes, const int8_t* hi, const int8_t* lo, __m512i start) {
  const auto sum = [&](const int8_t* q, __m512i from) {
    if constexpr (kShort) return dot<kBegin, kEnd>(codes, q, from);
    return dot_chain<kBegin, kEnd>(codes, q, from);
  };
  if constexpr (!kLo) return sum(hi, start);
  const __m512i high = _mm512_slli_epi32(sum(hi, _mm512_setzero_si512()), 7);
  return _mm512_add_epi32(high, sum(lo, start));
}

/// sums[t] += the panel's slab times token t of `in`, for t < kTokens.
template <class Source, int kTokens, bool kLo>
void integer_tile(const std::byte* block, const SlabInput& in, __m512 (&sums)[kTokens]) {
  constexpr bool kShort = kTokens <= 2;
  constexpr int kColsPerScale = 8 / Source::kScales;  // in vectors
  SlabSums prepared[kTokens];
  SlabInput token[kTokens];
  for (int t = 0; t < kTokens; ++t) {
    token[t] = in.token(t);
    prepare_sums<Source, kLo>(token[t], &prepared[t]);
  }
  for (int64_t b = 0; b < in.n_blocks; ++b, block += Source::kBytes) {
    Source::prefetch(block);
    const CodeVectors codes = Source::codes(block);
    __m512 scale[Source::kScales];
    for (int i = 0; i < Source::kScales; ++i) {
      scale[i] = Source::scale(block, i);
      if constexpr (!kLo) scale[i] = _mm512_mul_ps(scale[i], _mm512_set1_ps(128.0f));
    }
    for (int t = 0; t < kTokens; ++t) {
      const int8_t* hi = token[t].hi + b * kBlockCols;
      const int8_t* lo = kLo ? token[t].lo + b * kBlockCols : nullptr;
      const __m512 a_scale = _mm512_set1_ps(token[t].scale[b]);
      const auto start = [&](int i) {
        if constexpr (Source::kHasMinimum) return _mm512_setzero_si512();
        return _mm512_set1_epi32(prepared[t].start[Source::kScales * b + i]);
      };
      __m512i dots = dot_parts<kLo, kShort, 0, kColsPerScale>(codes, hi, lo, start(0));
      __m512 part = _mm512_mul_ps(scale[0], _mm512_cvtepi32_ps(dots));
      if constexpr (Source::kScales == 2) {
        dots = dot_parts<kLo, kShort, kColsPerScale, 8>(codes, hi, lo, start(1));
        part = _mm512_fmadd_ps(scale[1], _mm512_cvtepi32_ps(dots), part);
      }
      sums[t] = _mm512_fmadd_ps(a_scale, part, sums[t]);
      if constexpr (Source::kHasMinimum) {
        const __m512 weight = _mm512_set1_ps(prepared[t].weight[b]);
        sums[t] = _mm512_fmadd_ps(weight, Source::minimum(block), sums[t]);
      }
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::avx512
