// The loss of the learned bases: how far a decoder layer's output moves when its keys and values
// are coded.
#pragma once

#include <vector>

#include "calib/learn/coded_rows.h"
#include "calib/learn/layer_model.h"
#include "calib/learn/sample.h"

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
};

class LayerLoss {
 public:
  /// `texts` is taken; with `pre_rope` keys are coded before RoPE.
  LayerLoss(const engine::Engine& engine, int layer, ExactTokens exact, bool pre_rope,
            std::vector<SampledText> texts);

  size_t n_texts() const { return texts_.size(); }

  /// Mean over text `i`'s queries of |y^ - y|^2 / |y|^2. Adds to `gradient`, if given, `weight`
  /// times the loss's.
  double operator()(size_t i, const LayerBases& bases, const LayerWidths& widths,
                    LayerGradient* gradient = nullptr, double weight = 1.0) const;

  /// Zero gradients of the right sizes.
  LayerGradient zero_gradient() const;

 private:
  struct Text {
    SampledText sample;
    Rows<float> keys;      // as coded: before RoPE if pre_rope, else empty
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
