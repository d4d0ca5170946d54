#include "calib/learn/layer_loss.h"

#include <algorithm>

namespace lowkey::calib {
namespace {

LayerShape shape_of(const models::ModelConfig& c) { return {c.n_heads, c.n_kv_heads, c.head_dim}; }

}  // namespace

LayerLoss::LayerLoss(const engine::Engine& engine, int layer, ExactTokens exact,
                     const KeyFrame& frame, std::vector<SampledText> texts)
    : engine_(engine),
      pre_rope_(frame.pre_rope),
      rope_(engine.config().rope),
      model_(
          layer_matrices<float>(engine.weights().layers[size_t(layer)], engine.config().norm_eps),
          shape_of(engine.config()), exact) {
  for (SampledText& sample : texts) {
    Text text;
    text.sample = std::move(sample);
    const LayerText<float>& rows = text.sample.rows;
    rope_.reserve(text.sample.first + rows.k.rows());
    if (pre_rope_) {
      text.keys = rows.k;
      turn_rows(engine_, rope_, text.sample.first, -1.0f, text.keys);
    }
    if (!frame.turned_means.empty()) {
      text.left_out = repeat_means<float>(frame.turned_means, rows.k.rows());
      turn_rows(engine_, rope_, text.sample.first, 1.0f, text.left_out);
      text.keys = rows.k - text.left_out;
    }
    LayerTape<float> tape;
    text.target = model_.forward(rows, {rows.k, rows.v}, tape);
    text.weight =
        (text.target.rowwise().squaredNorm().array() * float(text.target.rows())).inverse();
    texts_.push_back(std::move(text));
  }
}

double LayerLoss::operator()(size_t i, const LayerBases& bases, const LayerWidths& widths,
                             LayerGradient* gradient, double weight) const {
  const Text& text = texts_[i];
  const LayerText<float>& rows = text.sample.rows;
  std::vector<CodeTape<float>> k_tapes, v_tapes;
  const Rows<float>& keys = text.keys.size() > 0 ? text.keys : rows.k;
  KvRows<float> coded{code_side(bases.k, widths.k, keys, k_tapes),
                      code_side(bases.v, widths.v, rows.v, v_tapes)};
  if (text.left_out.size() > 0) coded.k += text.left_out;
  if (pre_rope_) turn_rows(engine_, rope_, text.sample.first, 1.0f, coded.k);
  LayerTape<float> tape;
  const Rows<float> error = model_.forward(rows, coded, tape) - text.target;
  const double loss = error.rowwise().squaredNorm().cast<double>().dot(text.weight.cast<double>());
  if (!gradient) return loss;
  const Rows<float> d_output = (text.weight * float(2.0 * weight)).asDiagonal() * error;
  KvRows<float> d_coded = model_.backward(rows, coded, tape, d_output);
  if (pre_rope_) turn_rows(engine_, rope_, text.sample.first, -1.0f, d_coded.k);
  side_backward(bases.k, widths.k, k_tapes, d_coded.k, gradient->k);
  side_backward(bases.v, widths.v, v_tapes, d_coded.v, gradient->v);
  return loss;
}

}  // namespace lowkey::calib
