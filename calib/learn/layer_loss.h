// The loss of the learned bases: how far a decoder layer's output moves when its keys and values
// are coded.
#pragma once

#include <vector>

#include "calib/learn/layer_code.h"
#include "calib/learn/layer_model.h"
#include "calib/learn/sample.h"

namespace lowkey::calib {

class LayerLoss {
 public:
  /// `texts` is taken.
  LayerLoss(const engine::Engine& engine, int layer, ExactTokens exact, const KeyFrame& frame,
            std::vector<SampledText> texts);

  size_t n_texts() const { return texts_.size(); }

  /// Mean over text `i`'s queries of |y^ - y|^2 / |y|^2. Adds to `gradient`, if given, `weight`
  /// times the loss's.
  double operator()(size_t i, const LayerBases& bases, const LayerWidths& widths,
                    LayerGradient* gradient = nullptr, double weight = 1.0) const;

  /// Zero gradients of the right sizes.
  LayerGradient zero_gradient() const {
    return LayerGradient::zero(model_.shape().n_kv_heads, model_.shape().head_dim);
  }

 private:
  struct Text {
    SampledText sample;
    Rows<float> keys;      // as coded; empty: as they are
    Rows<float> left_out;  // of the keys, exact: turned means, or empty
    Rows<float> target;    // [m, n_embd]
    Column<float> weight;  // [m]
  };

  const engine::Engine& engine_;
  bool pre_rope_;
  engine::RopeTable rope_;
  LayerModel<float> model_;
  std::vector<Text> texts_;
};

}  // namespace lowkey::calib
