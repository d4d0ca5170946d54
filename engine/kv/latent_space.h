// Into the latent space of a code and out of it.
#pragma once

#include <memory>

#include "engine/kv/latent_code.h"
#include "engine/kv/space.h"
#include "models/config.h"

namespace lowkey::engine {

/// Keys and values as full latents; queries through D_K^T; outputs through D_V, plus the mean.
/// A constant mean_K only shifts all scores of a query alike, so the softmax does not see it.
///
/// D_V is not multiplied into W_O: W_O's blocks of 4 to 5 bits would grow to 8 to keep their
/// accuracy, more bytes per step than the d x d matrices of the few KV heads.
class LatentSpace : public KvSpace {
 public:
  LatentSpace(std::shared_ptr<const LatentCode> code, const models::RopeConfig& rope);

  void enter(const Context& context, int layer, MatrixView<float> k,
             MatrixView<float> v) const override;
  void queries(const Context& context, int layer, MatrixView<float> q) const override;
  void outputs(const Context& context, int layer, MatrixView<float> o) const override;
  void output_head(const Context& context, int layer, int head, MatrixView<float> o) const override;
  void ask_outputs(int layer, int head) const override;

  struct Rows {
    MatrixView<float> k, v;
  };
  struct HeadSide {
    int head;  // KV head
    simd::LatentSide side;
  };
  bool mean_turns() const { return code_->phases != nullptr; }
  /// Floats per query and head of mean_weights().
  int n_weights() const { return n_rot_ + 1; }
  /// enter() that also gives what the codes of keys do without: shift = E R_n mu, by the same
  /// reading of E. phases [n, n_rot] of the rows' positions.
  void enter(const Context& context, int layer, MatrixView<const float> phases, const Rows& rows,
             MatrixView<float> shift) const;
  /// One head and side of the same, by the calling thread alone; `rows` and `shift` are whole.
  void enter_part(const Context& context, int layer, const HeadSide& part,
                  MatrixView<const float> phases, const Rows& rows, MatrixView<float> shift) const;
  /// The shift alone.
  void shift(const Context& context, int layer, MatrixView<const float> phases,
             MatrixView<float> out) const;
  /// queries() that also gives w with q^T R_n mu = w^T [phase_n, 1], of the raw queries q
  /// [n, n_heads * d]: weights [n, n_heads * n_weights()].
  void queries(const Context& context, int layer, MatrixView<float> q,
               MatrixView<float> weights) const;
  /// The same of some heads that share KV head `head`, q [n, d], weights [n, n_weights()] or no
  /// rows, by the calling thread alone.
  void query_head(const Context& context, int layer, int head, MatrixView<float> q,
                  MatrixView<float> weights) const;

 private:
  void enter_keys(const Context& context, size_t side, MatrixView<float> k) const;
  void enter_keys(const Context& context, size_t side, MatrixView<const float> phases,
                  MatrixView<float> k, MatrixView<float> shift) const;
  void enter_values(const Context& context, size_t side, MatrixView<float> v) const;
  /// weights [n, n_weights()] of raw queries q [n, d] of KV head `side`.
  void mean_weights(size_t side, MatrixView<float> q, MatrixView<float> weights) const;
  /// R_n mu of a head, for every row of phases; out [rows, d].
  void turned_means(const Context& context, size_t side, MatrixView<const float> phases,
                    MatrixView<float> out) const;

  std::shared_ptr<const LatentCode> code_;
  int n_rot_ = 0;
  bool neighbours_ = false;
};

}  // namespace lowkey::engine
