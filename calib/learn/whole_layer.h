// A decoder layer from residual stream to residual stream, with its keys and values coded: what it
// takes to follow an error through the model, forward and backward.
#pragma once

#include "calib/learn/layer_code.h"
#include "calib/learn/layer_model.h"
#include "calib/problem.h"

namespace lowkey::calib {

/// From the normed residual stream to queries, keys and values.
template <class T>
struct ProjectionMatrices {
  Rows<T> qkv, qkv_t;        // [all query, key and value heads, n_embd] and its transpose
  Column<T> attn_norm;       // [n_embd]
  Column<T> bias;            // [rows of qkv], or empty
  Column<T> q_norm, k_norm;  // [head_dim], or empty
  T norm_eps = T(1e-5);
};

template <class T>
ProjectionMatrices<T> projection_matrices(const engine::LayerWeights& weights, float norm_eps);

/// How one layer's keys and values are coded; none of it is owned.
struct LayerCode {
  const LayerBases* bases = nullptr;
  const LayerWidths* widths = nullptr;
  const KeyFrame* frame = nullptr;
};

/// RoPE on all heads of rows [n, n_heads * d] with cos [n_rot / 2], sin [n_rot / 2] per row, or its
/// inverse (direction -1).
template <class T>
void turn_heads(const Rows<T>& phases, const Rotary& rotary, int d, T direction, Rows<T>& rows);

/// What the backward pass wants back.
template <class T>
struct WholeLayerTape {
  Rows<T> input;         // [n, n_embd]
  Rows<T> raw_q, raw_k;  // before per-head norms, if there are any
  LayerText<T> text;     // exact, after RoPE
  KvRows<T> coded;
  std::vector<CodeTape<T>> k, v;
  LayerTape<T> layer;
};

template <class T>
class WholeLayer {
 public:
  WholeLayer(ProjectionMatrices<T> projections, LayerModel<T> model, const Rotary& rotary)
      : w_(std::move(projections)), model_(std::move(model)), rotary_(rotary) {}

  /// x [n, n_embd], one whole text; phases [n, n_rot]. `frozen` as code_rows has it.
  Rows<T> forward(const Rows<T>& x, const Rows<T>& phases, const LayerCode& code,
                  WholeLayerTape<T>& tape, bool frozen = false) const;

  /// Gradient with respect to x, given that of the output; adds that of the code to `gradient`.
  /// Rounding counts as code_rows has it, so what enters a code is moved by it unchanged.
  Rows<T> backward(const Rows<T>& phases, const LayerCode& code, const WholeLayerTape<T>& tape,
                   const Rows<T>& d_output, LayerGradient& gradient) const;

 private:
  void project(const Rows<T>& x, const Rows<T>& phases, WholeLayerTape<T>& tape) const;
  Rows<T> project_backward(const WholeLayerTape<T>& tape, Rows<T> d_q, Rows<T> d_k,
                           const Rows<T>& d_v) const;
  /// Keys as they are coded: before RoPE, or without their turned means.
  Rows<T> to_frame(const Rows<T>& phases, const KeyFrame& frame, Rows<T> keys) const;
  Rows<T> from_frame(const Rows<T>& phases, const KeyFrame& frame, Rows<T> keys) const;
  Rows<T> turned_means(const Rows<T>& phases, const KeyFrame& frame) const;

  ProjectionMatrices<T> w_;
  LayerModel<T> model_;
  Rotary rotary_;
};

}  // namespace lowkey::calib
