#include "calib/learn/layer_loss.h"

#include <algorithm>

namespace lowkey::calib {
namespace {

LayerShape shape_of(const models::ModelConfig& c) { return {c.n_heads, c.n_kv_heads, c.head_dim}; }

/// All heads of one side through their codes.
Rows<float> code_side(const std::vector<LearnedBasis>& bases,
                      const std::vector<std::vector<uint8_t>>& widths, const Rows<float>& x,
                      std::vector<CodeTape<float>>& tapes) {
  const Eigen::Index d = x.cols() / Eigen::Index(bases.size());
  Rows<float> out(x.rows(), x.cols());
  tapes.resize(bases.size());
  for (size_t h = 0; h < bases.size(); ++h) {
    const Eigen::Index column = Eigen::Index(h) * d;
    out.middleCols(column, d) =
        code_rows<float>(bases[h], widths[h], x.middleCols(column, d), tapes[h]);
  }
  return out;
}

void side_gradient(const std::vector<LearnedBasis>& bases,
                   const std::vector<std::vector<uint8_t>>& widths,
                   const std::vector<CodeTape<float>>& tapes, const Rows<float>& d_coded,
                   std::vector<BasisGradient>& gradient) {
  const Eigen::Index d = d_coded.cols() / Eigen::Index(bases.size());
  for (size_t h = 0; h < bases.size(); ++h) {
    const auto own = code_backward<float>(bases[h], widths[h], tapes[h],
                                          d_coded.middleCols(Eigen::Index(h) * d, d));
    gradient[h].encoder += own.encoder;
    gradient[h].decoder += own.decoder;
    gradient[h].stretch += own.stretch;
  }
}

}  // namespace

LayerLoss::LayerLoss(const engine::Engine& engine, int layer, ExactTokens exact, bool pre_rope,
                     std::vector<SampledText> texts)
    : engine_(engine),
      pre_rope_(pre_rope),
      rope_(engine.config().rope),
      model_(
          layer_matrices<float>(engine.weights().layers[size_t(layer)], engine.config().norm_eps),
          shape_of(engine.config()), exact) {
  for (SampledText& sample : texts) {
    Text text;
    text.sample = std::move(sample);
    const LayerText<float>& rows = text.sample.rows;
    if (pre_rope_) {
      rope_.reserve(text.sample.first + rows.k.rows());
      text.keys = rows.k;
      turn_rows(engine_, rope_, text.sample.first, -1.0f, text.keys);
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
  KvRows<float> coded{code_side(bases.k, widths.k, pre_rope_ ? text.keys : rows.k, k_tapes),
                      code_side(bases.v, widths.v, rows.v, v_tapes)};
  if (pre_rope_) turn_rows(engine_, rope_, text.sample.first, 1.0f, coded.k);
  LayerTape<float> tape;
  const Rows<float> error = model_.forward(rows, coded, tape) - text.target;
  const double loss = error.rowwise().squaredNorm().cast<double>().dot(text.weight.cast<double>());
  if (!gradient) return loss;
  const Rows<float> d_output = (text.weight * float(2.0 * weight)).asDiagonal() * error;
  KvRows<float> d_coded = model_.backward(rows, coded, tape, d_output);
  if (pre_rope_) turn_rows(engine_, rope_, text.sample.first, -1.0f, d_coded.k);
  side_gradient(bases.k, widths.k, k_tapes, d_coded.k, gradient->k);
  side_gradient(bases.v, widths.v, v_tapes, d_coded.v, gradient->v);
  return loss;
}

LayerGradient LayerLoss::zero_gradient() const {
  const LayerShape& shape = model_.shape();
  const Matrix zero = Matrix::Zero(shape.head_dim, shape.head_dim);
  LayerGradient out;
  out.k.assign(size_t(shape.n_kv_heads), {zero, zero, Vector::Zero(shape.head_dim)});
  out.v = out.k;
  return out;
}

}  // namespace lowkey::calib
