// One token: every weight is used once, so the loop runs at the speed of memory or not at all.
#pragma once

#include <algorithm>

#include "simd/avx2/integer_dot.h"
#include "simd/kernel_set.h"
#include "simd/wide/read_ahead-inl.h"

namespace lowkey::simd::avx2 {
namespace {

constexpr int64_t kOneBlocks = 256;  // blocks whose activations are prepared at a time

/// What depends on activations alone.
struct OneScratch {
  alignas(32) int16_t words[kOneBlocks * kBlockCols];
  int32_t start[kOneBlocks][2];  // -offset * sum of q, of each scale group of the weights
  float weight[kOneBlocks];      // scale * sum of q, for the minima
};

/// The same of one block, as its codes meet it.
struct OneInput {
  const int8_t *hi, *lo;
  const int16_t* words;
  float scale, weight;
  const int32_t* start;
};

template <class Source, bool kLo>
void prepare(const Activations& a, int64_t first, int64_t n, int offset, OneScratch* out) {
  for (int64_t i = 0; i < n; ++i) {
    const int64_t b = first + i, c = b * kBlockCols;
    const int32_t low = a.sum[2 * b], high = a.sum[2 * b + 1];
    out->start[i][0] = -offset * (Source::kScales == 2 ? low : low + high);
    out->start[i][1] = -offset * high;
    out->weight[i] = a.scale[b] * float(low + high);
    if constexpr (!fits_bytes(Source::kType)) {
      to_words(a.hi + c, kLo ? a.lo + c : nullptr, out->words + i * kBlockCols);
    }
  }
}

/// sums[part] += four vectors of codes from kBegin on, or all eight, times q, as bytes.
template <PanelType kType, bool kLo, int kBegin, bool kAll>
[[gnu::always_inline]] inline void dot_bytes(const std::byte* codes, const OneInput& in,
                                             __m256i (&sums)[kParts]) {
  __m256i hi[kParts] = {}, lo[kParts] = {};
  const auto add = [&]<int kVector>() __attribute__((always_inline)) {
    const __m256i upper = broadcast4(in.hi + 4 * kVector);
    const __m256i lower = kLo ? broadcast4(in.lo + 4 * kVector) : upper;
    for (int p = 0; p < kParts; ++p) {
      const __m256i code = code_vector<kType, kVector>(codes, p);
      hi[p] = held(_mm256_add_epi16(hi[p], _mm256_maddubs_epi16(code, upper)));
      if (kLo) lo[p] = held(_mm256_add_epi16(lo[p], _mm256_maddubs_epi16(code, lower)));
    }
  };
  wide::unrolled<4>([&](auto v) __attribute__((always_inline)) {
    add.template operator()<kBegin + v>();
    if constexpr (kAll) add.template operator()<kBegin + v + 4>();
  });
  for (int p = 0; p < kParts; ++p) {
    sums[p] = _mm256_add_epi32(sums[p], widened(hi[p], 128));
    if (kLo) sums[p] = _mm256_add_epi32(sums[p], widened(lo[p], 1));
  }
}

/// The same as words, four vectors.
template <PanelType kType, int kBegin>
[[gnu::always_inline]] inline void dot_words(const std::byte* codes, const OneInput& in,
                                             __m256i (&sums)[kParts]) {
  wide::unrolled<4>([&](auto v) __attribute__((always_inline)) {
    constexpr int kVector = kBegin + v;
    const __m256i even = broadcast4(in.words + 2 * kVector);
    const __m256i odd = broadcast4(in.words + 16 + 2 * kVector);
    for (int p = 0; p < kParts; ++p) {
      const __m256i code = code_vector<kType, kVector>(codes, p);
      sums[p] = held(_mm256_add_epi32(sums[p], _mm256_madd_epi16(even_words(code), even)));
      sums[p] = held(_mm256_add_epi32(sums[p], _mm256_madd_epi16(odd_words(code), odd)));
    }
  });
}

/// sums[p] += scale group kGroup of a block's part p times `in`.
template <class Source, bool kLo, int kGroup>
[[gnu::always_inline]] inline void add_group(const std::byte* block, const OneInput& in,
                                             __m256 (&sums)[kParts]) {
  constexpr PanelType kType = Source::kType;
  constexpr bool kBoth = Source::kScales == 1;
  const std::byte* codes = block + Source::kHead;
  const __m256i start =
      Source::kHasMinimum ? _mm256_setzero_si256() : _mm256_set1_epi32(in.start[kGroup]);
  __m256i dots[kParts] = {start, start};
  if constexpr (kBoth && fits_block(kType)) {
    dot_bytes<kType, kLo, 0, true>(codes, in, dots);
  } else if constexpr (fits_bytes(kType)) {
    dot_bytes<kType, kLo, 4 * kGroup, false>(codes, in, dots);
    if constexpr (kBoth) dot_bytes<kType, kLo, 4, false>(codes, in, dots);
  } else {
    dot_words<kType, 4 * kGroup>(codes, in, dots);
    if constexpr (kBoth) dot_words<kType, 4>(codes, in, dots);
  }
  for (int p = 0; p < kParts; ++p) {
    sums[p] = add_scaled(dots[p], Source::scale(block, kGroup, p), in.scale, sums[p]);
  }
}

/// sums[p] += a block's part p times `in`.
template <class Source, bool kLo>
[[gnu::always_inline]] inline void add_block(const std::byte* block, const OneInput& in,
                                             __m256 (&sums)[kParts]) {
  for (int p = 0; p < kParts && Source::kHasMinimum; ++p) {
    sums[p] = _mm256_fmadd_ps(_mm256_set1_ps(in.weight), Source::minimum(block, p), sums[p]);
  }
  add_group<Source, kLo, 0>(block, in, sums);
  if constexpr (Source::kScales == 2) add_group<Source, kLo, 1>(block, in, sums);
}

/// Blocks [blocks.begin, blocks.end) of one panel.
template <class Source, bool kLo>
void multiply_one(const PanelMatrix& w, int64_t panel, Range blocks, const Activations& a,
                  const OneScratch& scratch, const wide::ReadAhead& ahead, const MatmulOut& out) {
  const int64_t row = panel * kPanelRows, n = std::min<int64_t>(kPanelRows, w.n_rows - row);
  alignas(32) float y[kPanelRows] = {};
  if (out.accumulate || blocks.begin > 0) std::copy_n(out.y + row, n, y);
  __m256 sums[kParts] = {_mm256_load_ps(y), _mm256_load_ps(y + kPartRows)};
  const std::byte* block =
      w.data + (panel * (w.n_cols / kBlockCols) + blocks.begin) * Source::kBytes;
  for (int64_t b = blocks.begin; b < blocks.end; ++b, block += Source::kBytes) {
    Source::prefetch(ahead.from(block));
    const int64_t c = b * kBlockCols, i = b - blocks.begin;
    add_block<Source, kLo>(block,
                           {a.hi + c, a.lo + (kLo ? c : 0), scratch.words + i * kBlockCols,
                            a.scale[b], scratch.weight[i], scratch.start[i]},
                           sums);
  }
  _mm256_store_ps(y, sums[0]);
  _mm256_store_ps(y + kPartRows, sums[1]);
  std::copy_n(y, n, out.y + row);
}

/// All of `panels` times the one token of `a`.
template <class Source, bool kLo>
void matmul_one(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  const int64_t n_blocks = w.n_cols / kBlockCols;
  OneScratch scratch;
  const wide::ReadAhead ahead(w.data + panels.end * (n_blocks * Source::kBytes), w.next);
  for (int64_t first = 0; first < n_blocks; first += kOneBlocks) {
    const Range blocks{first, std::min(first + kOneBlocks, n_blocks)};
    prepare<Source, kLo>(a, first, blocks.size(), w.format.offset, &scratch);
    for (int64_t p = panels.begin; p < panels.end; ++p) {
      multiply_one<Source, kLo>(w, p, blocks, a, scratch, ahead, out);
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::avx2
