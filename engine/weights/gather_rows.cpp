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

/// How rows lie in the pieces of a panel, one behind the other: halves, then words, of 16 rows
/// each.
struct PieceShape {
  int64_t n_pieces, bytes, n_halves, n_words;
};

PieceShape shape_of(const PanelFormat& f, int64_t n_cols) {
  if (f.type == simd::PanelType::kF32) return {n_cols, 4 * kPanelRows, 0, 1};
  if (f.is_float()) return {n_cols, 2 * kPanelRows, 1, 0};
  return {n_cols / kBlockCols, simd::block_bytes(f),
          kBlockCols / f.scale_cols + (f.has_minimum ? 1 : 0), simd::code_bytes(f.type) / kVector};
}

}  // namespace

void gather_rows(const PanelMatrix& w, std::span<const int32_t> rows, std::byte* panel) {
  const PieceShape shape = shape_of(w.format, w.n_cols);
  const int64_t words = 2 * kPanelRows * shape.n_halves;
  const auto n = int(rows.size());
  const std::byte* in[kPanelRows];
  for (int i = 0; i < n; ++i) in[i] = w.panel(rows[size_t(i)] / kPanelRows);
  // Piece by piece: memory is asked for several panels at a time.
  for (int64_t at = 0; at < shape.n_pieces * shape.bytes; at += shape.bytes) {
    for (int i = 0; i < n; ++i) {
      const int from = rows[size_t(i)] % kPanelRows;
      copy_lane<2>(in[i] + at, from, shape.n_halves, i, panel + at);
      copy_lane<4>(in[i] + at + words, from, shape.n_words, i, panel + at + words);
    }
  }
}

}  // namespace lowkey::engine
