#include "calib/learn/model_loss.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "calib/learn/rms_norm.h"

namespace lowkey::calib {
namespace {

Rotary rotary_of(const models::ModelConfig& c) { return {c.rope.n_rot, c.rope.neighbours, 0}; }

Rows<float> pick_rows(const Rows<float>& x, const std::vector<int>& rows) {
  Rows<float> out(Eigen::Index(rows.size()), x.cols());
  for (size_t i = 0; i < rows.size(); ++i) out.row(Eigen::Index(i)) = x.row(rows[i]);
  return out;
}

/// log sum exp of a row.
template <class Row>
float log_sum_exp(const Row& row) {
  const float top = row.maxCoeff();
  return top + std::log((row.array() - top).exp().sum());
}

}  // namespace

void ModelLoss::add_weights(const engine::Engine& engine, const ExactTokens& exact) {
  const models::ModelConfig& c = engine.config();
  const LayerShape shape{c.n_heads, c.n_kv_heads, c.head_dim};
  for (const engine::LayerWeights& w : engine.weights().layers) {
    layers_.emplace_back(projection_matrices<float>(w, c.norm_eps),
                         LayerModel<float>(layer_matrices<float>(w, c.norm_eps), shape, exact),
                         rotary_of(c));
  }
  const engine::Linear& head = engine.weights().head();
  head_.resize(head.n_rows(), head.n_cols());
  for (int64_t i = 0; i < head.n_rows(); ++i) head.row(i, head_.row(i).data());
  head_t_ = head_.transpose();
  const std::vector<float>& norm = engine.weights().output_norm;
  output_norm_ = Eigen::Map<const Column<float>>(norm.data(), Eigen::Index(norm.size()));
}

Status ModelLoss::add_text(engine::Session& session, std::span<const int32_t> tokens,
                           int64_t first) {
  const models::ModelConfig& c = engine_->config();
  Text text;
  text.embedded.resize(Eigen::Index(tokens.size()), c.n_embd);
  for (size_t i = 0; i < tokens.size(); ++i) {
    engine_->weights().embedding.row(tokens[i], text.embedded.row(Eigen::Index(i)).data());
  }
  engine::RopeTable rope(c.rope);
  rope.reserve(first + int64_t(tokens.size()));
  text.phases.resize(Eigen::Index(tokens.size()), c.rope.n_rot);
  for (Eigen::Index i = 0; i < text.phases.rows(); ++i) {
    std::copy_n(rope.row(first + i), c.rope.n_rot, text.phases.row(i).data());
  }
  session.truncate(0);
  LK_RETURN_IF_ERROR(session.feed(tokens, [&](int64_t, MatrixView<const float> hidden) {
    const Rows<float> all = Eigen::Map<const Rows<float>, 0, Eigen::OuterStride<>>(
        hidden.data, hidden.rows, hidden.cols, Eigen::OuterStride<>(hidden.stride));
    text.exact = pick_rows(all, positions_);
    return Status();
  }));
  texts_.push_back(std::move(text));
  return {};
}

Result<ModelLoss> ModelLoss::create(const engine::Engine& engine, std::span<const int32_t> tokens,
                                    std::vector<KeyFrame> frames, const ModelLossOptions& o) {
  const int64_t available = int64_t(tokens.size()) / o.n_chunk;
  const int first_seen = std::max(o.n_chunk / 4, o.exact.n_sinks + o.exact.window);
  if (available < 2 || o.n_chunk <= first_seen) {
    return make_error(ErrorCode::kInvalidData, "calibration text",
                      "expected at least two chunks of " + std::to_string(o.n_chunk) +
                          " tokens to learn from, found " + std::to_string(tokens.size()));
  }
  ModelLoss loss;
  loss.engine_ = &engine;
  loss.frames_ = std::move(frames);
  for (int p = first_seen; p < o.n_chunk; p += o.stride) loss.positions_.push_back(p);
  loss.add_weights(engine, o.exact);
  LK_ASSIGN(const engine::CacheSpec full, engine::parse_cache_type("f32"));
  LK_ASSIGN(engine::Session session, engine::Session::open(engine, {full, o.n_chunk, o.n_chunk}));
  const int64_t n_texts = std::min<int64_t>(o.n_texts, available);
  const int64_t spread = std::max<int64_t>(o.n_positions - o.n_chunk, 0);
  for (int64_t t = 0; t < n_texts; ++t) {
    // Neighbouring texts lie far apart, so that those held back differ in place.
    const int64_t first = (t * 5 % n_texts) * spread / std::max<int64_t>(n_texts - 1, 1);
    const int64_t chunk = t * available / n_texts;
    LK_RETURN_IF_ERROR(loss.add_text(
        session, tokens.subspan(size_t(chunk * o.n_chunk), size_t(o.n_chunk)), first));
  }
  return loss;
}

double ModelLoss::compare(const Text& text, bool wants_gradient, Rows<float>& hidden) const {
  const float eps = engine_->config().norm_eps;
  const Rows<float> normed = rms_norm(hidden, output_norm_, eps);
  Rows<float> logits = product(normed, head_);
  const Rows<float> exact = product(text.exact, head_);
  double sum = 0;
  const auto n = float(logits.rows());
  for (Eigen::Index i = 0; i < logits.rows(); ++i) {
    const auto own = logits.row(i).array() - log_sum_exp(logits.row(i));
    const auto wanted = exact.row(i).array() - log_sum_exp(exact.row(i));
    const Eigen::ArrayXf log_q = own.transpose(), log_p = wanted.transpose();
    const Eigen::ArrayXf p = log_p.exp();
    sum += (p * (log_p - log_q)).cast<double>().sum();
    if (wants_gradient) logits.row(i) = ((log_q.exp() - p) / n).matrix().transpose();
  }
  if (wants_gradient) {
    hidden = rms_norm_backward(hidden, output_norm_, eps, product(logits, head_t_));
  }
  return sum / double(n);
}

double ModelLoss::operator()(size_t i, const std::vector<LayerBases>& bases,
                             const std::vector<LayerWidths>& widths,
                             std::vector<LayerGradient>* gradient, double weight) const {
  const Text& text = texts_[i];
  std::vector<WholeLayerTape<float>> tapes(gradient ? layers_.size() : 1);
  Rows<float> x = text.embedded;
  const auto code = [&](size_t l) { return LayerCode{&bases[l], &widths[l], &frames_[l]}; };
  for (size_t l = 0; l < layers_.size(); ++l) {
    x = layers_[l].forward(x, text.phases, code(l), tapes[gradient ? l : 0]);
  }
  Rows<float> hidden = pick_rows(x, positions_);
  const double loss = compare(text, gradient != nullptr, hidden);
  if (!gradient) return loss;
  Rows<float> d_x = Rows<float>::Zero(x.rows(), x.cols());
  for (size_t p = 0; p < positions_.size(); ++p) {
    d_x.row(positions_[p]) = hidden.row(Eigen::Index(p)) * float(weight);
  }
  for (size_t l = layers_.size(); l-- > 0;) {
    d_x = layers_[l].backward(text.phases, code(l), tapes[l], d_x, (*gradient)[l]);
    tapes[l] = {};
  }
  return loss;
}

std::vector<LayerGradient> ModelLoss::zero_gradient() const {
  const models::ModelConfig& c = engine_->config();
  return std::vector<LayerGradient>(layers_.size(), LayerGradient::zero(c.n_kv_heads, c.head_dim));
}

}  // namespace lowkey::calib
