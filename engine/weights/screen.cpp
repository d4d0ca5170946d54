#include "engine/weights/screen.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/weights/code_screen.h"

namespace lowkey::engine {

namespace {

constexpr double kWorthwhile = 0.75;  // of the head's bytes
constexpr const char* kName = "screen of the vocabulary";

Result<Linear> pack_blocks(const ByteBuffer& blocks, DType type, int64_t n_rows, int64_t n_cols,
                           WeightStore& store) {
  const models::TensorView view{
      kName, type, n_rows, n_cols, {blocks.data(), size_t(blocks.size())}};
  const models::TensorView* part = &view;
  return Linear::pack({&part, 1}, store);
}

}  // namespace

Result<Screen> Screen::make(const Context& context, const Linear& head) {
  Screen screen;
  const simd::PanelMatrix* w = head.single();
  if (!w || w->n_cols % simd::kBlockCols != 0 || w->n_cols <= kFineCols) return screen;
  const int64_t n_coarse = w->n_cols / simd::kBlockCols - 1;
  const int64_t coarse_bytes = w->n_rows * n_coarse * kCoarseBlockBytes;
  const int64_t fine_bytes = w->n_rows * kFineBlockBytes;
  if (double(coarse_bytes + fine_bytes) > kWorthwhile * double(head.bytes())) return screen;
  LK_ASSIGN(ByteBuffer coarse, ByteBuffer::allocate(coarse_bytes, kName));
  LK_ASSIGN(ByteBuffer fine, ByteBuffer::allocate(fine_bytes, kName));
  screen.order_ = order_columns(context, *w);
  ScreenErrors errors = code_screen(context, *w, screen.order_, {fine.data(), coarse.data()});
  const double all = std::accumulate(errors.columns.begin(), errors.columns.end(), 0.0);
  if (!std::isfinite(all)) return Screen();
  for (const double sum : errors.columns) {
    screen.column_share_.push_back(all > 0.0 ? float(sum / all * double(w->n_cols)) : 0.0f);
  }
  screen.row_error_ = std::move(errors.rows);
  WeightStore store(*context.team);
  LK_ASSIGN(screen.coarse_,
            pack_blocks(coarse, DType::kQ4_0, w->n_rows, n_coarse * simd::kBlockCols, store));
  LK_ASSIGN(screen.fine_, pack_blocks(fine, DType::kQ8_0, w->n_rows, kFineCols, store));
  return screen;
}

void Screen::apply(const Context& context, MatrixView<const float> x, const ActivationRows& copies,
                   std::vector<float>& scratch, MatrixView<float> y) const {
  scratch.resize(size_t(x.rows * x.cols));
  float* fine = scratch.data();
  float* coarse = fine + x.rows * kFineCols;
  const int64_t n_coarse = x.cols - kFineCols;
  for (int64_t i = 0; i < x.rows; ++i) {
    const float* row = x.row(i);
    const auto at = [&](int32_t c) { return row[c]; };
    std::transform(order_.begin(), order_.begin() + kFineCols, fine + i * kFineCols, at);
    std::transform(order_.begin() + kFineCols, order_.end(), coarse + i * n_coarse, at);
  }
  coarse_.apply(context, matrix<const float>(coarse, x.rows, n_coarse), copies,
                {y.data, y.stride, false});
  fine_.apply(context, matrix<const float>(fine, x.rows, kFineCols), copies,
              {y.data, y.stride, true});
}

float Screen::spread(const float* x) const {
  double sum = 0.0;
  for (size_t c = 0; c < column_share_.size(); ++c) {
    sum += double(column_share_[c]) * double(x[c]) * double(x[c]);
  }
  return float(std::sqrt(sum));
}

}  // namespace lowkey::engine
