// One token: every weight is used once, so the loop runs at the speed of memory or not at all.
#pragma once

#include <algorithm>

#include "simd/avx2/one_dot.h"
#include "simd/kernel_set.h"
#include "simd/wide/read_ahead-inl.h"

namespace lowkey::simd::avx2 {
namespace {

constexpr int64_t kOneBlocks = 256;  // blocks whose activations are prepared at a time

/// What depends on activations alone.
struct OneScratch {
  alignas(32) int16_t words[kOneBlocks * kBlockCols];
  InputSums sums[kOneBlocks];
};

template <class Source, bool kLo>
void prepare(const Activations& a, int64_t first, int64_t n, int offset, OneScratch* out) {
  for (int64_t i = 0; i < n; ++i) {
    const int64_t b = first + i, c = b * kBlockCols;
    out->sums[i] = input_sums<Source>(a, b, offset);
    if constexpr (!fits_bytes(Source::kType)) {
      to_words(a.hi + c, kLo ? a.lo + c : nullptr, out->words + i * kBlockCols);
    }
  }
}

/// One token, and what goes with it.
struct OneToken {
  const Activations& a;
  const OneScratch& scratch;
  wide::ReadAhead ahead;
};

/// Blocks [blocks.begin, blocks.end) of one panel.
template <class Source, bool kLo>
void multiply_one(const PanelMatrix& w, int64_t panel, Range blocks, const OneToken& token,
                  const MatmulOut& out) {
  const Activations& a = token.a;
  const int64_t row = panel * kPanelRows, n = std::min<int64_t>(kPanelRows, w.n_rows - row);
  alignas(32) float y[kPanelRows] = {};
  if (out.accumulate || blocks.begin > 0) std::copy_n(out.y + row, n, y);
  __m256 sums[kParts] = {_mm256_load_ps(y), _mm256_load_ps(y + kPartRows)};
  const std::byte* block =
      w.data + (panel * (w.n_cols / kBlockCols) + blocks.begin) * Source::kBytes;
  for (int64_t b = blocks.begin; b < blocks.end; ++b, block += Source::kBytes) {
    Source::prefetch(token.ahead.from(block));
    const int64_t c = b * kBlockCols, i = b - blocks.begin;
    add_block<Source, kLo>(block,
                           {a.hi + c, a.lo + (kLo ? c : 0), token.scratch.words + i * kBlockCols,
                            a.scale[b], token.scratch.sums[i]},
                           sums);
  }
  _mm256_store_ps(y, sums[0]);
  _mm256_store_ps(y + kPartRows, sums[1]);
  std::copy_n(y, n, out.y + row);
}

/// All of `panels` times the one token of `a`.
template <bool kLo, class Source>
void matmul_one(Source, const PanelMatrix& w, Range panels, const Activations& a,
                const MatmulOut& out) {
  const int64_t n_blocks = w.n_cols / kBlockCols;
  OneScratch scratch;
  const std::byte* end = w.data + panels.end * (n_blocks * Source::kBytes);
  const OneToken token{a, scratch, {end, w.next}};
  for (int64_t first = 0; first < n_blocks; first += kOneBlocks) {
    const Range blocks{first, std::min(first + kOneBlocks, n_blocks)};
    prepare<Source, kLo>(a, first, blocks.size(), w.format.offset, &scratch);
    for (int64_t p = panels.begin; p < panels.end; ++p) {
      multiply_one<Source, kLo>(w, p, blocks, token, out);
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::avx2
