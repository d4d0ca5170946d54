// Which tokens matter: the weights of second-order KQ-SVD.
#pragma once

#include <span>

#include "calib/statistics.h"

namespace lowkey::calib {

/// One layer's activations of one text from position 0 on; all tokens attend causally.
struct AttentionSample {
  LayerShape shape;
  MatrixView<const float> q;             // [n, n_heads * head_dim], after RoPE
  MatrixView<const float> k;             // [n, n_kv_heads * head_dim], after RoPE
  MatrixView<const float> v;             // [n, n_kv_heads * head_dim]
  std::span<const Matrix> output_grams;  // [n_heads]
  float scale = 1;                       // of the softmax
  int n_sinks = 4;                       // first tokens, never coded
  int window = 32;                       // a query reads the last `window` tokens exactly
  int query_stride = 4;                  // every so many-th query is looked at
};

/// With a_mn the attention of query m to token n, o_m the head's output, and D_mn =
/// |W_O (v_n - o_m)|^2: query m counts sum_n a_mn^2 D_mn, key n sum_m a_mn^2 D_mn, value n
/// sum_m a_mn^2; only coded tokens n take part, keys and values sum over their query heads.
/// A coding error e_n of a key changes the head's output by a_mn (q_m^T e_n) W_O (v_n - o_m) to
/// first order, whose expected square these weights separate into a query and a key factor.
TokenWeights second_order_weights(const AttentionSample& sample);

}  // namespace lowkey::calib
