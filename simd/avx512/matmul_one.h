// One token: every weight is used once, so the loop runs at the speed of memory or not at all.
#pragma once

#include <algorithm>

#include "simd/avx512/integer_dot.h"
#include "simd/kernel_set.h"
#include "simd/wide/read_ahead-inl.h"

namespace lowkey::simd::avx512 {
namespace {

constexpr int64_t kOneBlocks = 256;  // blocks whose activation sums are worked out at a time

/// What depends on an activation's sums.
struct OneSums {
  alignas(64) int32_t start[2 * kOneBlocks];  // per scale group of the weights
  alignas(64) float weight[kOneBlocks];
};

/// Sums of blocks [b, b + n), n <= kOneBlocks; 16 blocks at a time, the last ones masked.
template <class Source, bool kLo>
void prepare(const Activations& a, int64_t first, int64_t n, int offset, OneSums* out) {
  const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  const __m512i minus_offset = _mm512_set1_epi32(-offset);
  const auto start = [&](__m512i sum) {
    return _mm512_mullo_epi32(minus_offset, kLo ? sum : _mm512_srai_epi32(sum, 7));
  };
  for (int64_t b = 0; b < n; b += 16) {
    const int left = int(std::min<int64_t>(16, n - b));
    const auto mask = [](int count) { return __mmask16((1u << std::clamp(count, 0, 16)) - 1); };
    const int32_t* sums = a.sum + 2 * (first + b);
    const __m512i low = _mm512_maskz_loadu_epi32(mask(2 * left), sums);
    const __m512i high = _mm512_maskz_loadu_epi32(mask(2 * left - 16), sums + 16);
    if constexpr (Source::kScales == 2) {
      _mm512_store_si512(out->start + 2 * b, start(low));
      _mm512_store_si512(out->start + 2 * b + 16, start(high));
      continue;
    }
    const __m512i sum = _mm512_add_epi32(_mm512_permutex2var_epi32(low, even, high),
                                         _mm512_permutex2var_epi32(low, odd, high));
    if constexpr (Source::kHasMinimum) {
      const __m512 scale = _mm512_maskz_loadu_ps(mask(left), a.scale + first + b);
      _mm512_store_ps(out->weight + b, _mm512_mul_ps(scale, _mm512_cvtepi32_ps(sum)));
    } else {
      _mm512_store_si512(out->start + b, start(sum));
    }
  }
}

/// One token, and what goes with it.
struct OneToken {
  const Activations& a;
  const OneSums& sums;
  wide::ReadAhead ahead;
};

/// Blocks [blocks.begin, blocks.end) of one panel.
template <class Source, bool kLo>
void multiply_one(const PanelMatrix& w, int64_t panel, Range blocks, const OneToken& token,
                  const MatmulOut& out) {
  const Activations& a = token.a;
  const int64_t panel_stride = w.n_cols / kBlockCols * Source::kBytes;
  const int64_t n_rows = w.n_rows - panel * kPanelRows;
  float* y = out.y + panel * kPanelRows;
  const bool fresh = !out.accumulate && blocks.begin == 0;
  __m512 sums[1] = {fresh ? _mm512_setzero_ps() : load_rows(y, n_rows)};
  const std::byte* block = w.data + panel * panel_stride + blocks.begin * Source::kBytes;
  for (int64_t b = blocks.begin; b < blocks.end; ++b, block += Source::kBytes) {
    Source::prefetch(token.ahead.from(block));
    const int64_t c = b * kBlockCols, i = b - blocks.begin;
    const BlockInput in{a.hi + c, a.lo + (kLo ? c : 0), a.scale[b], token.sums.weight[i],
                        token.sums.start + i * Source::kScales};
    BlockWeights<Source, kLo, 1>(block, panel_stride).add_to(in, sums);
  }
  store_rows(sums[0], y, n_rows);
}

/// All of `panels` times the one token of `a`, one panel after another: a pair of panels side by
/// side would halve the broadcasts (a tenth faster in the caches), but is two streams, each as
/// short as a row, for which memory and its prefetchers are half as fast.
template <bool kLo, class Source>
void matmul_one(Source, const PanelMatrix& w, Range panels, const Activations& a,
                const MatmulOut& out) {
  const int64_t n_blocks = w.n_cols / kBlockCols;
  OneSums sums;
  const std::byte* end = w.data + panels.end * (n_blocks * Source::kBytes);
  const OneToken token{a, sums, {end, w.next}};
  for (int64_t first = 0; first < n_blocks; first += kOneBlocks) {
    const Range blocks{first, std::min(first + kOneBlocks, n_blocks)};
    prepare<Source, kLo>(a, first, blocks.size(), w.format.offset, &sums);
    for (int64_t p = panels.begin; p < panels.end; ++p) {
      multiply_one<Source, kLo>(w, p, blocks, token, out);
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::avx512
