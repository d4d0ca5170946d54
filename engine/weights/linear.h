// y = W x for blocks of tokens: weights in panels, the path chosen by precision and block size.
#pragma once

#include <span>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "engine/context.h"
#include "engine/weights/repack.h"
#include "models/model.h"

namespace lowkey::engine {

/// Where integer or bf16 copies of some rows of activations go.
struct ActivationRows {
  int8_t *hi = nullptr, *lo = nullptr;
  float* scale = nullptr;
  int32_t* sum = nullptr;
  uint16_t* bf16 = nullptr;

  simd::Activations quantized(int64_t n_tokens, int64_t n_cols, bool both_halves) const;
};

/// Copies of one block of activations, reused from layer to layer.
class ActivationScratch {
 public:
  /// Room for n_tokens rows of n_cols.
  static Result<ActivationScratch> allocate(int64_t n_tokens, int64_t n_cols);

  /// From row `first` on.
  ActivationRows rows(int64_t first = 0);

 private:
  int64_t n_cols_ = 0;
  Buffer<int8_t> hi_, lo_;
  Buffer<float> scale_;
  Buffer<int32_t> sum_;
  Buffer<uint16_t> bf16_;
};

/// Tokens that kernels take together, and a piece of many holds at least.
constexpr int64_t kTokenTile = 32;
/// Whether there are so many tokens that threads had better share these out than the weights: every
/// piece of the weights would lay the tokens out anew. Not where memory nodes own the weights.
bool shares_out_tokens(const Context& context, int64_t n_tokens);

class Linear {
 public:
  /// Stacks the rows of `parts` (all [*, n_cols]); parts of other formats stay in panels of their
  /// own.
  static Result<Linear> pack(std::span<const models::TensorView* const> parts, WeightStore& store);

  /// y [n_tokens, y_stride] = W x, or += W x. x: [n_tokens, n_cols].
  void apply(const Context& context, MatrixView<const float> x, const ActivationRows& copies,
             const simd::MatmulOut& out) const;
  /// y[i] = row rows[i] of W times x [n_cols], by all threads: what apply() of x alone makes of it.
  /// W is a single() matrix.
  void apply_rows(const Context& context, std::span<const int32_t> rows, MatrixView<const float> x,
                  const ActivationRows& copies, float* y) const;
  /// The matrix, if all rows are in one format.
  const simd::PanelMatrix* single() const;
  /// Whether its products with n tokens read the panels as they lie in memory: no part of it is
  /// unpacked first, which only many tokens are worth.
  bool reads_panels(const Context& context, int64_t n_tokens) const;

  /// Says to the team that this will be applied soon.
  void expect(const Context& context) const;
  /// What the threads read in order when this is applied; the first of its matrices.
  std::span<const std::byte> panels() const;

  /// Row `row` as f32: the embedding of a token.
  void row(int64_t row, float* out) const;

  int64_t n_rows() const { return n_rows_; }
  int64_t n_cols() const { return n_cols_; }
  int64_t bytes() const;

 private:
  std::vector<PackedMatrix> parts_;
  int64_t n_rows_ = 0;
  int64_t n_cols_ = 0;
};

}  // namespace lowkey::engine
