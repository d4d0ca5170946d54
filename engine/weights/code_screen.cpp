#include "engine/weights/code_screen.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/half.h"

namespace lowkey::engine {

namespace {

using simd::kBlockCols;
using simd::kPanelRows;
using simd::PanelMatrix;

constexpr int64_t kPieces = 64;     // whose sums by column are apart, so that threads do not matter
constexpr int64_t kSampleStep = 8;  // one panel of so many says which columns are large

constexpr int kLanes = 8;  // sums side by side, which the compiler may keep in one register

/// The weight of a block that is farthest from zero.
float outermost(const float* w) {
  float most[kLanes] = {}, least[kLanes] = {};
  for (int c = 0; c < kBlockCols; c += kLanes) {
    for (int i = 0; i < kLanes; ++i) {
      most[i] = w[c + i] > most[i] ? w[c + i] : most[i];
      least[i] = w[c + i] < least[i] ? w[c + i] : least[i];
    }
  }
  const float high = *std::max_element(most, most + kLanes);
  const float low = *std::min_element(least, least + kLanes);
  return high > -low ? high : low;
}

/// The factor that makes most of a block's codes: <w, code> / <code, code>.
float best_scale(const float* w, const int* code) {
  float products[kLanes] = {};
  int squares = 0;
  for (int c = 0; c < kBlockCols; c += kLanes) {
    for (int i = 0; i < kLanes; ++i) products[i] += float(code[c + i]) * w[c + i];
    for (int i = 0; i < kLanes; ++i) squares += code[c + i] * code[c + i];
  }
  return squares > 0 ? std::accumulate(products, products + kLanes, 0.0f) / float(squares) : 0.0f;
}

/// One block w [32] as codes of `bits` around zero: the outermost weight gets the code with the
/// most room, -2^(bits - 1). w becomes what the block is off by.
void round_block(float* w, int bits, int* code, std::byte* scale_at) {
  const float far = outermost(w), middle = float(1 << (bits - 1)), top = 2 * middle - 1;
  const float inverse = far == 0.0f ? 0.0f : -middle / far;
  for (int c = 0; c < kBlockCols; ++c) {
    // What is not a number becomes a code too; its matrix gets no screen then.
    const float place = w[c] * inverse + middle + 0.5f;
    code[c] = int(place > 0.0f ? (place < top ? place : top) : 0.0f) - int(middle);
  }
  const uint16_t half = f32_to_f16(best_scale(w, code));
  std::memcpy(scale_at, &half, 2);
  const float scale = f16_to_f32(half);
  for (int c = 0; c < kBlockCols; ++c) w[c] -= scale * float(code[c]);
}

void code_coarse(float* w, std::byte* out) {
  int code[kBlockCols];
  round_block(w, 4, code, out);
  for (int c = 0; c < kBlockCols / 2; ++c) {
    out[2 + c] = std::byte((code[c] + 8) | (code[c + kBlockCols / 2] + 8) << 4);
  }
}

void code_fine(float* w, std::byte* out) {
  int code[kBlockCols];
  round_block(w, 8, code, out);
  for (int c = 0; c < kBlockCols; ++c) out[2 + c] = std::byte(uint8_t(code[c]));
}

/// visit(row, w [n_cols]) for the rows of every step-th of some panels.
template <class Visit>
void for_rows(const Context& context, const PanelMatrix& m, Range panels, int64_t step,
              Visit visit) {
  std::vector<float> rows(size_t(kPanelRows * m.n_cols));
  for (int64_t p = panels.begin; p < panels.end; p += step) {
    context.kernels->unpack_f32(m, p, rows.data(), m.n_cols);
    const int64_t first = p * kPanelRows, n = std::min(m.n_rows - first, int64_t{kPanelRows});
    for (int64_t r = 0; r < n; ++r) visit(first + r, rows.data() + r * m.n_cols);
  }
}

/// work(panels, sums [n_cols]) for pieces of all panels; the sums of all pieces.
template <class Work>
std::vector<double> sum_pieces(const Context& context, const PanelMatrix& m, Work work) {
  const auto n_cols = size_t(m.n_cols);
  std::vector<double> pieces(size_t(kPieces) * n_cols);
  context.team->parallel_for(kPieces, 1, [&](Range own, int) {
    for (int64_t i = own.begin; i < own.end; ++i) {
      work(part_of(m.n_panels(), i, kPieces), pieces.data() + size_t(i) * n_cols);
    }
  });
  std::vector<double> sums(n_cols);
  for (size_t i = 0; i < pieces.size(); ++i) sums[i % n_cols] += pieces[i];
  return sums;
}

}  // namespace

std::vector<int32_t> order_columns(const Context& context, const PanelMatrix& m) {
  const std::vector<double> size = sum_pieces(context, m, [&](Range panels, double* sums) {
    for_rows(context, m, panels, kSampleStep, [&](int64_t, const float* w) {
      for (int64_t c = 0; c < m.n_cols; ++c) sums[c] += double(w[c]) * double(w[c]);
    });
  });
  std::vector<int32_t> order(size.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return size[size_t(a)] > size[size_t(b)]; });
  std::sort(order.begin() + kFineCols, order.end());
  return order;
}

ScreenErrors code_screen(const Context& context, const PanelMatrix& m,
                         std::span<const int32_t> order, const ScreenBlocks& out) {
  const int64_t n_coarse = m.n_cols / kBlockCols - 1;
  ScreenErrors errors;
  errors.rows.resize(size_t(m.n_rows));
  const std::vector<double> sums_in_order = sum_pieces(context, m, [&](Range panels, double* sums) {
    std::vector<float> ordered(order.size());
    for_rows(context, m, panels, 1, [&](int64_t row, const float* w) {
      std::transform(order.begin(), order.end(), ordered.begin(), [&](int32_t c) { return w[c]; });
      code_fine(ordered.data(), out.fine + row * kFineBlockBytes);
      for (int64_t b = 0; b < n_coarse; ++b) {
        code_coarse(ordered.data() + (b + 1) * kBlockCols,
                    out.coarse + (row * n_coarse + b) * kCoarseBlockBytes);
      }
      double all = 0.0;
      for (size_t i = 0; i < ordered.size(); ++i) {
        const double square = double(ordered[i]) * double(ordered[i]);
        sums[i] += square;
        all += square;
      }
      errors.rows[size_t(row)] = float(std::sqrt(all / double(m.n_cols)));
    });
  });
  errors.columns.resize(order.size());
  for (size_t i = 0; i < order.size(); ++i) errors.columns[size_t(order[i])] = sums_in_order[i];
  return errors;
}

}  // namespace lowkey::engine
