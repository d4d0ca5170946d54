// The codes of all heads of a layer, differentiable.
#pragma once

#include <vector>

#include "calib/learn/coded_rows.h"

namespace lowkey::calib {

/// Bases, widths or gradients of the heads of one layer.
struct LayerBases {
  std::vector<LearnedBasis> k, v;
};
struct LayerWidths {
  std::vector<std::vector<uint8_t>> k, v;
};
struct LayerGradient {
  std::vector<BasisGradient> k, v;

  /// Of n_heads heads of size d.
  static LayerGradient zero(int n_heads, int d);
  void add(const LayerGradient& other);
};

/// What a layer's keys are when they are coded.
struct KeyFrame {
  bool pre_rope = false;
  /// [n_kv_heads] of [d]: means before RoPE, which are turned to each token's position and left out
  /// of its code (rotary centring: scores get them back exactly). Empty: none. They need keys after
  /// RoPE.
  std::vector<Vector> turned_means;
};

/// `means`, one head beside the other, for each of n tokens; not turned yet.
template <class T>
Rows<T> repeat_means(const std::vector<Vector>& means, Eigen::Index n);

/// All heads of one side, x [n, n_heads * d], through their codes. `frozen` as code_rows has it.
template <class T>
Rows<T> code_side(const std::vector<LearnedBasis>& bases,
                  const std::vector<std::vector<uint8_t>>& widths, const Rows<T>& x,
                  std::vector<CodeTape<T>>& tapes, bool frozen = false);

/// Adds to `gradient`, which has one entry per head. Returns the gradient with respect to x, empty
/// unless `wants_x`.
template <class T>
Rows<T> side_backward(const std::vector<LearnedBasis>& bases,
                      const std::vector<std::vector<uint8_t>>& widths,
                      const std::vector<CodeTape<T>>& tapes, const Rows<T>& d_coded,
                      std::vector<BasisGradient>& gradient, bool wants_x = false);

}  // namespace lowkey::calib
