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

/// Integer or bf16 copies of one block of activations, reused from layer to layer.
class ActivationScratch {
 public:
  /// Room for n_tokens rows of n_cols.
  static Result<ActivationScratch> allocate(int64_t n_tokens, int64_t n_cols);

  simd::Activations quantized(int64_t n_tokens, int64_t n_cols, bool both_halves);
  uint16_t* bf16() { return bf16_.data(); }

 private:
  Buffer<int8_t> hi_, lo_;
  Buffer<float> scale_;
  Buffer<int32_t> sum_;
  Buffer<uint16_t> bf16_;
};

class Linear {
 public:
  /// Stacks the rows of `parts` (all [*, n_cols]); parts of other formats stay in panels of their
  /// own.
  static Result<Linear> pack(std::span<const models::TensorView* const> parts, WeightStore& store);

  /// y [n_tokens, y_stride] = W x, or += W x. x: [n_tokens, n_cols].
  void apply(const Context& context, MatrixView<const float> x, ActivationScratch& scratch,
             const simd::MatmulOut& out) const;

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
