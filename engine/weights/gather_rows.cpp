#include "engine/weights/gather_rows.h"

#include <cstring>

namespace lowkey::engine {

namespace {

using simd::kBlockCols;
using simd::kPanelRows;
using simd::PanelFormat;
using simd::PanelMatrix;

constexpr int64_t kVector = 64;  // bytes of a vector of codes, 4 of every row

/// Lane `from` of n_groups groups of 16 elements, kBytes each, becomes lane `to` of as many.
template <int kBytes>
void copy_lane(const std::byte* in, int from, int64_t n_groups, int to, std::byte* out) {
  constexpr int64_t kStep = int64_t{kPanelRows} * kBytes;
  in += from * kBytes;
  out += to * kBytes;
  for (int64_t i = 0; i < n_groups; ++i) std::memcpy(out + i * kStep, in + i * kStep, kBytes);
}

void copy_row(const PanelFormat& f, int64_t n_cols, const std::byte* in, int from, int to,
              std::byte* out) {
  if (f.type == simd::PanelType::kF32) return copy_lane<4>(in, from, n_cols, to, out);
  if (f.is_float()) return copy_lane<2>(in, from, n_cols, to, out);
  const int64_t n_halves = kBlockCols / f.scale_cols + (f.has_minimum ? 1 : 0);
  const int64_t n_words = simd::code_bytes(f.type) / kVector, size = simd::block_bytes(f);
  const int64_t codes = n_halves * 2 * kPanelRows;
  for (int64_t b = 0; b < n_cols / kBlockCols; ++b, in += size, out += size) {
    copy_lane<2>(in, from, n_halves, to, out);
    copy_lane<4>(in + codes, from, n_words, to, out + codes);
  }
}

}  // namespace

void gather_rows(const PanelMatrix& w, std::span<const int32_t> rows, std::byte* panel) {
  for (size_t i = 0; i < rows.size(); ++i) {
    copy_row(w.format, w.n_cols, w.panel(rows[i] / kPanelRows), int(rows[i] % kPanelRows), int(i),
             panel);
  }
}

}  // namespace lowkey::engine
