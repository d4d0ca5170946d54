// Causal attention of some queries over coded keys and values, forward and backward.
#pragma once

#include <vector>

#include "calib/rows.h"
#include "calib/statistics.h"

namespace lowkey::calib {

/// Tokens that a query reads exactly: the first ones and the most recent ones (itself included).
struct ExactTokens {
  int n_sinks = 0;
  int window = 1;
};

/// One layer's activations of one text, and the queries that are looked at.
template <class T>
struct LayerText {
  Rows<T> k, v;                // [n, n_kv_heads * head_dim], exact; k after RoPE
  Rows<T> q;                   // [m, n_heads * head_dim] after RoPE
  Rows<T> input;               // [m, n_embd] residual stream before the layer
  std::vector<int> positions;  // [m]: rows of k and v that the queries stand at, rising
};

/// Keys and values of a text, or the gradients with respect to them.
template <class T>
struct KvRows {
  Rows<T> k, v;
};

/// What the backward pass wants back.
template <class T>
struct AttentionTape {
  std::vector<Rows<T>> probabilities;  // [n_heads] of [m, n]
};

/// Heads' outputs [m, n_heads * head_dim]; `coded` stands for all but the exact tokens.
template <class T>
Rows<T> attend(const LayerText<T>& text, const KvRows<T>& coded, const LayerShape& shape,
               const ExactTokens& exact, AttentionTape<T>& tape);

/// Gradients with respect to everything that attention reads.
template <class T>
struct AttentionGradient {
  KvRows<T> coded, exact;
  Rows<T> q;  // [m, n_heads * head_dim]
};

template <class T>
AttentionGradient<T> attend_backward_all(const LayerText<T>& text, const KvRows<T>& coded,
                                         const LayerShape& shape, const ExactTokens& exact,
                                         const AttentionTape<T>& tape, const Rows<T>& d_output);

/// Gradients with respect to `coded` alone, given that of the outputs.
template <class T>
KvRows<T> attend_backward(const LayerText<T>& text, const KvRows<T>& coded, const LayerShape& shape,
                          const ExactTokens& exact, const AttentionTape<T>& tape,
                          const Rows<T>& d_output);

}  // namespace lowkey::calib
