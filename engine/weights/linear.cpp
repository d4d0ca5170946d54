#include "engine/weights/linear.h"

#include <algorithm>

#include "engine/gemm.h"
#include "engine/weights/gather_rows.h"

namespace lowkey::engine {

namespace {

using simd::MatmulOut;
using simd::PanelMatrix;

// From this many tokens on, unpacking a panel for a dense product costs less than it saves.
constexpr int64_t kDenseTokens = 16;
// From this many on it is a prompt. A step of fewer sequences keeps its 15 bits, so that each gets
// what it would get alone (at 16 both ways are as many instructions, above bf16 is fewer).
constexpr int64_t kBf16Tokens = 64;
// Rows unpacked at a time: 128 rows of 1,536 columns in f32 stay in a level-2 cache.
constexpr int64_t kDensePanels = 8;
// Rows gathered into a panel: half of what it holds, so that few rows too are shared out.
constexpr int64_t kGathered = 8;
// Pieces of a thread where tokens are shared out, so that threads end together.
constexpr int64_t kTokenPieces = 4;

int64_t token_pieces(const Context& context) { return context.team->size() * kTokenPieces; }

/// Panels that a thread takes at a time: few, to even out threads of unequal speed, but enough of
/// them to be worth a claim. Many tokens are laid out anew for every piece, and pass over pairs of
/// panels: fewer and even ones then.
int64_t panel_grain(int64_t n_panels, int n_threads, int64_t n_tokens) {
  const bool many = n_tokens >= kDenseTokens;
  const int64_t grain = std::max<int64_t>(1, n_panels / (int64_t{n_threads} * (many ? 2 : 6)));
  return many ? round_up(grain, 2) : grain;
}

/// work(panels, thread) for all panels of a matrix, each on a thread that owns it.
void for_own_panels(const Context& context, const PackedMatrix& packed, int64_t n_tokens,
                    FunctionRef<void(Range, int)> work) {
  const int64_t grain = panel_grain(packed.view.n_panels(), context.team->size(), n_tokens);
  context.team->parallel_for_owned(packed.bounds, grain, work);
}

void dense(const Context& context, const PanelMatrix& w, MatrixView<const float> x,
           const MatmulOut& out) {
  context.team->parallel_for(ceil_div(w.n_panels(), kDensePanels), 1, [&](Range piece, int) {
    thread_local std::vector<float> rows;
    rows.resize(size_t(kDensePanels * simd::kPanelRows * w.n_cols));
    for (int64_t i = piece.begin; i < piece.end; ++i) {
      const int64_t first = i * kDensePanels, last = std::min(first + kDensePanels, w.n_panels());
      for (int64_t p = first; p < last; ++p) {
        float* panel = rows.data() + (p - first) * simd::kPanelRows * w.n_cols;
        context.kernels->unpack_f32(w, p, panel, w.n_cols);
      }
      const int64_t first_row = first * simd::kPanelRows;
      const int64_t n = std::min(last * simd::kPanelRows, w.n_rows) - first_row;
      gemm_f32({x.rows, n, w.n_cols, x.stride, w.n_cols, out.stride, out.accumulate}, x.data,
               rows.data(), out.y + first_row);
    }
  });
}

void to_bf16(const Context& context, MatrixView<const float> x, uint16_t* out) {
  context.team->parallel_for(x.rows, 8, [&](Range rows, int) {
    for (int64_t t = rows.begin; t < rows.end; ++t) {
      context.kernels->round_bf16(x.row(t), x.cols, out + t * x.cols);
    }
  });
}

void multiply_bf16(const Context& context, const PackedMatrix& packed, MatrixView<const uint16_t> x,
                   const MatmulOut& out) {
  for_own_panels(context, packed, x.rows, [&](Range panels, int) {
    context.kernels->matmul_bf16(packed.view, panels, x, out);
  });
}

void apply_float(const Context& context, const PackedMatrix& packed, MatrixView<const float> x,
                 const MatmulOut& out) {
  const PanelMatrix& w = packed.view;
  if (x.rows >= kDenseTokens) {
    return dense(context, w, x, out);
  }
  for_own_panels(context, packed, x.rows,
                 [&](Range panels, int) { context.kernels->matmul_float(w, panels, x, out); });
}

bool multiplies_floats(const Context& context, const PanelMatrix& w) {
  return context.precision == Precision::kExact || w.format.is_float();
}

/// Weights of f32 would lose most of their digits.
bool multiplies_bf16(const Context& context, const PanelMatrix& w, int64_t n_tokens) {
  return context.bf16_prefill && context.precision != Precision::kExact &&
         n_tokens >= kBf16Tokens && w.format.type != simd::PanelType::kF32 &&
         w.n_cols % simd::kBlockCols == 0;
}

simd::Activations integers_of(const Context& context, MatrixView<const float> x,
                              const ActivationRows& copies) {
  return copies.quantized(x.rows, x.cols, context.precision == Precision::kDefault);
}

/// Some of the tokens.
simd::Activations tokens_of(const simd::Activations& a, Range tokens) {
  const int64_t t = tokens.begin, n_blocks = a.n_cols / simd::kBlockCols;
  return {tokens.size(),          a.n_cols,
          a.hi + t * a.n_cols,    a.lo ? a.lo + t * a.n_cols : nullptr,
          a.scale + t * n_blocks, a.sum + t * 2 * n_blocks};
}

void quantize(const Context& context, MatrixView<const float> x, const simd::Activations& out) {
  context.team->parallel_for(x.rows, 8, [&](Range rows, int) {
    context.kernels->quantize(x.row(rows.begin), x.stride, tokens_of(out, rows));
  });
}

/// What a thread reads behind its share of a matrix: its share of the matrix's next part, or of
/// what the team expects.
const std::byte* read_next(const Context& context, const PackedMatrix* part, int thread) {
  if (!part) return context.team->expected(thread);
  return part->view.panel(context.team->owned_share(part->bounds, thread).begin);
}

/// Many tokens are shared out. Others meet panels that are, which a thread, or the threads of a
/// memory node, then read alone. `then`: the part behind this one, or nullptr.
void multiply(const Context& context, const PackedMatrix& packed, const simd::Activations& x,
              const MatmulOut& out, const PackedMatrix* then) {
  const PanelMatrix& w = packed.view;
  if (!shares_out_tokens(context, x.n_tokens)) {
    return for_own_panels(context, packed, x.n_tokens, [&](Range panels, int thread) {
      PanelMatrix own = w;
      // The last piece of a share; other pieces go on where they end.
      if (panels.end == context.team->owned_share(packed.bounds, thread).end) {
        own.next = read_next(context, then, thread);
      }
      context.kernels->matmul_quantized(own, panels, x, out);
    });
  }
  const int64_t size = round_up(ceil_div(x.n_tokens, token_pieces(context)), kTokenTile);
  context.team->parallel_for(ceil_div(x.n_tokens, size), 1, [&](Range pieces, int) {
    const Range tokens{pieces.begin * size, std::min(pieces.end * size, x.n_tokens)};
    context.kernels->matmul_quantized(
        w, {0, w.n_panels()}, tokens_of(x, tokens),
        {out.y + tokens.begin * out.stride, out.stride, out.accumulate});
  });
}

}  // namespace

bool shares_out_tokens(const Context& context, int64_t n_tokens) {
  return n_tokens >= token_pieces(context) * kTokenTile && context.team->plan().n_nodes == 1;
}

Result<ActivationScratch> ActivationScratch::allocate(int64_t n_tokens, int64_t n_cols) {
  ActivationScratch s;
  s.n_cols_ = round_up(n_cols, simd::kBlockCols);
  const int64_t n = n_tokens * s.n_cols_;
  LK_ASSIGN(s.hi_, Buffer<int8_t>::allocate(n, "activations"));
  LK_ASSIGN(s.lo_, Buffer<int8_t>::allocate(n, "activations"));
  LK_ASSIGN(s.scale_, Buffer<float>::allocate(n / simd::kBlockCols, "activations"));
  LK_ASSIGN(s.sum_, Buffer<int32_t>::allocate(n / 16, "activations"));
  LK_ASSIGN(s.bf16_, Buffer<uint16_t>::allocate(n, "activations"));
  return s;
}

ActivationRows ActivationScratch::rows(int64_t first) {
  const int64_t at = first * n_cols_;
  return {hi_.data() + at, lo_.data() + at, scale_.data() + at / simd::kBlockCols,
          sum_.data() + at / 16, bf16_.data() + at};
}

simd::Activations ActivationRows::quantized(int64_t n_tokens, int64_t n_cols,
                                            bool both_halves) const {
  return {n_tokens, n_cols, hi, both_halves ? lo : nullptr, scale, sum};
}

Result<Linear> Linear::pack(std::span<const models::TensorView* const> parts, WeightStore& store) {
  Linear linear;
  for (size_t first = 0; first < parts.size();) {
    size_t last = first + 1;
    while (last < parts.size() && can_stack(parts.subspan(first, last - first + 1))) ++last;
    LK_ASSIGN(PackedMatrix packed, lowkey::engine::pack(parts.subspan(first, last - first), store));
    linear.n_rows_ += packed.view.n_rows;
    linear.n_cols_ = packed.view.n_cols;
    linear.parts_.push_back(std::move(packed));
    first = last;
  }
  return linear;
}

void Linear::apply(const Context& context, MatrixView<const float> x, const ActivationRows& copies,
                   const MatmulOut& out) const {
  bool quantized = false, rounded = false;
  const simd::Activations integers = integers_of(context, x, copies);
  int64_t first_row = 0;
  for (const PackedMatrix& part : parts_) {
    const PanelMatrix& w = part.view;
    const MatmulOut part_out{out.y + first_row, out.stride, out.accumulate};
    first_row += w.n_rows;
    if (multiplies_bf16(context, w, x.rows)) {
      if (!std::exchange(rounded, true)) to_bf16(context, x, copies.bf16);
      multiply_bf16(context, part, matrix<const uint16_t>(copies.bf16, x.rows, x.cols), part_out);
    } else if (multiplies_floats(context, w)) {
      apply_float(context, part, x, part_out);
    } else {
      if (!std::exchange(quantized, true)) quantize(context, x, integers);
      const bool last = &part == &parts_.back();
      multiply(context, part, integers, part_out, last ? nullptr : &part + 1);
    }
  }
}

void Linear::apply_rows(const Context& context, std::span<const int32_t> rows,
                        MatrixView<const float> x, const ActivationRows& copies, float* y) const {
  const PanelMatrix& w = parts_.front().view;
  const bool as_floats = multiplies_floats(context, w);
  const simd::Activations integers = integers_of(context, x, copies);
  if (!as_floats) quantize(context, x, integers);
  const auto n = int64_t(rows.size());
  context.team->parallel_for(ceil_div(n, kGathered), 1, [&](Range panels, int) {
    thread_local std::vector<std::byte> gathered;
    gathered.resize(size_t(simd::panel_bytes(w.format, w.n_cols)));
    for (int64_t p = panels.begin; p < panels.end; ++p) {
      const int64_t first = p * kGathered, n_own = std::min(n - first, kGathered);
      gather_rows(w, rows.subspan(size_t(first), size_t(n_own)), gathered.data());
      const PanelMatrix picked{w.format, n_own, w.n_cols, gathered.data(), gathered.data()};
      const MatmulOut out{y + first, n_own, false};
      if (as_floats) {
        context.kernels->matmul_float(picked, {0, 1}, x, out);
      } else {
        context.kernels->matmul_quantized(picked, {0, 1}, integers, out);
      }
    }
  });
}

const PanelMatrix* Linear::single() const {
  return parts_.size() == 1 ? &parts_.front().view : nullptr;
}

bool Linear::reads_panels(const Context& context, int64_t n_tokens) const {
  if (n_tokens < kDenseTokens) return true;
  if (context.precision == Precision::kExact || context.bf16_prefill) return false;
  return std::none_of(parts_.begin(), parts_.end(),
                      [](const PackedMatrix& part) { return part.view.format.is_float(); });
}

void Linear::expect(const Context& context) const {
  context.team->expect(panels().data(), int64_t(panels().size()));
}

std::span<const std::byte> Linear::panels() const {
  const PanelMatrix& w = parts_.front().view;
  return {w.data, size_t(w.n_panels() * simd::panel_bytes(w.format, w.n_cols))};
}

void Linear::row(int64_t row, float* out) const {
  for (const PackedMatrix& part : parts_) {
    if (row < part.view.n_rows) return unpack_row(part.view, row, out);
    row -= part.view.n_rows;
  }
}

int64_t Linear::bytes() const {
  int64_t bytes = 0;
  for (const PackedMatrix& part : parts_) bytes += part.storage.size();
  return bytes;
}

}  // namespace lowkey::engine
