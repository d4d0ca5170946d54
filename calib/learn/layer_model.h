// One decoder layer in floating point, from its queries, keys and values to its output, and the
// gradient of a loss on that output with respect to coded keys and values.
#pragma once

#include "calib/learn/attention_model.h"
#include "engine/weights/decoder_weights.h"

namespace lowkey::calib {

/// Weights [out, in] and their transposes: a gradient goes the other way.
template <class T>
struct LayerMatrices {
  Rows<T> o, gate, up, down;
  Rows<T> o_t, gate_t, up_t, down_t;
  Column<T> ffn_norm;  // [n_embd]
  T norm_eps = T(1e-5);

  /// Fills the transposes.
  void complete();
};

template <class T>
LayerMatrices<T> layer_matrices(const engine::LayerWeights& weights, float norm_eps);

template <class T>
struct LayerTape {
  AttentionTape<T> attention;
  Rows<T> residual;  // [m, n_embd] after attention
  Rows<T> gate, up;  // [m, n_ff]
};

/// With respect to everything that the layer reads; `input` is what reaches the residual stream
/// past the attention, not through it.
template <class T>
struct LayerModelGradient {
  AttentionGradient<T> attention;
  Rows<T> input;
};

template <class T>
class LayerModel {
 public:
  LayerModel(LayerMatrices<T> matrices, LayerShape shape, ExactTokens exact)
      : w_(std::move(matrices)), shape_(shape), exact_(exact) {}

  /// The layer's output [m, n_embd] at the text's queries when it reads `coded`.
  Rows<T> forward(const LayerText<T>& text, const KvRows<T>& coded, LayerTape<T>& tape) const;

  /// Gradients with respect to `coded`, given that of the output; `tape` is forward's.
  KvRows<T> backward(const LayerText<T>& text, const KvRows<T>& coded, const LayerTape<T>& tape,
                     const Rows<T>& d_output) const;

  LayerModelGradient<T> backward_all(const LayerText<T>& text, const KvRows<T>& coded,
                                     const LayerTape<T>& tape, const Rows<T>& d_output) const;

  const LayerShape& shape() const { return shape_; }

 private:
  /// Gradient with respect to the residual stream after attention.
  Rows<T> residual_gradient(const LayerTape<T>& tape, const Rows<T>& d_output) const;

  LayerMatrices<T> w_;
  LayerShape shape_;
  ExactTokens exact_;
};

}  // namespace lowkey::calib
