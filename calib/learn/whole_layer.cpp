#include "calib/learn/whole_layer.h"

#include <numeric>

#include "calib/learn/rms_norm.h"

namespace lowkey::calib {
namespace {

template <class T>
Column<T> column_of(const std::vector<float>& x) {
  return Eigen::Map<const Column<float>>(x.data(), Eigen::Index(x.size())).template cast<T>();
}

/// RMSNorm of every head, if there is one.
template <class T>
Rows<T> norm_heads(const Rows<T>& x, const Column<T>& weight, T eps) {
  if (weight.size() == 0) return x;
  const Rows<T> normed = rms_norm(as_heads(x, weight.size()), weight, eps);
  return Eigen::Map<const Rows<T>>(normed.data(), x.rows(), x.cols());
}

template <class T>
Rows<T> norm_heads_backward(const Rows<T>& x, const Column<T>& weight, T eps,
                            const Rows<T>& d_out) {
  if (weight.size() == 0) return d_out;
  const Eigen::Index d = weight.size();
  const Rows<T> d_x = rms_norm_backward(as_heads(x, d), weight, eps, as_heads(d_out, d));
  return Eigen::Map<const Rows<T>>(d_x.data(), x.rows(), x.cols());
}

}  // namespace

template <class T>
ProjectionMatrices<T> projection_matrices(const engine::LayerWeights& weights, float norm_eps) {
  ProjectionMatrices<T> out;
  std::vector<float> row(size_t(weights.qkv.n_cols()));
  out.qkv.resize(weights.qkv.n_rows(), weights.qkv.n_cols());
  for (int64_t i = 0; i < weights.qkv.n_rows(); ++i) {
    weights.qkv.row(i, row.data());
    for (size_t j = 0; j < row.size(); ++j) out.qkv(i, Eigen::Index(j)) = T(row[j]);
  }
  out.qkv_t = out.qkv.transpose();
  out.attn_norm = column_of<T>(weights.attn_norm);
  out.bias = column_of<T>(weights.qkv_bias);
  out.q_norm = column_of<T>(weights.q_norm);
  out.k_norm = column_of<T>(weights.k_norm);
  out.norm_eps = T(norm_eps);
  return out;
}

template <class T>
void turn_heads(const Rows<T>& phases, const Rotary& rotary, int d, T direction, Rows<T>& rows) {
  const int half = rotary.n_rot / 2;
  for (Eigen::Index n = 0; n < rows.rows(); ++n) {
    for (Eigen::Index head = 0; head < rows.cols(); head += d) {
      for (int i = 0; i < half; ++i) {
        const auto [first, second] = pair_of(rotary, i);
        const T cosine = phases(n, i), sine = direction * phases(n, half + i);
        const T a = rows(n, head + first), b = rows(n, head + second);
        rows(n, head + first) = a * cosine - b * sine;
        rows(n, head + second) = a * sine + b * cosine;
      }
    }
  }
}

template <class T>
Rows<T> WholeLayer<T>::turned_means(const Rows<T>& phases, const KeyFrame& frame) const {
  Rows<T> means = repeat_means<T>(frame.turned_means, phases.rows());
  turn_heads(phases, rotary_, model_.shape().head_dim, T(1), means);
  return means;
}

template <class T>
Rows<T> WholeLayer<T>::to_frame(const Rows<T>& phases, const KeyFrame& frame, Rows<T> keys) const {
  if (frame.pre_rope) turn_heads(phases, rotary_, model_.shape().head_dim, T(-1), keys);
  if (!frame.turned_means.empty()) keys -= turned_means(phases, frame);
  return keys;
}

template <class T>
Rows<T> WholeLayer<T>::from_frame(const Rows<T>& phases, const KeyFrame& frame,
                                  Rows<T> keys) const {
  if (!frame.turned_means.empty()) keys += turned_means(phases, frame);
  if (frame.pre_rope) turn_heads(phases, rotary_, model_.shape().head_dim, T(1), keys);
  return keys;
}

template <class T>
void WholeLayer<T>::project(const Rows<T>& x, const Rows<T>& phases,
                            WholeLayerTape<T>& tape) const {
  const LayerShape& shape = model_.shape();
  const int d = shape.head_dim;
  const Eigen::Index n_q = Eigen::Index{shape.n_heads} * d;
  const Eigen::Index n_kv = Eigen::Index{shape.n_kv_heads} * d;
  Rows<T> qkv = product(rms_norm(x, w_.attn_norm, w_.norm_eps), w_.qkv);
  if (w_.bias.size() > 0) qkv.rowwise() += w_.bias.transpose();
  tape.input = x;
  tape.raw_q = qkv.leftCols(n_q);
  tape.raw_k = qkv.middleCols(n_q, n_kv);
  LayerText<T>& text = tape.text;
  text.q = norm_heads(tape.raw_q, w_.q_norm, w_.norm_eps);
  text.k = norm_heads(tape.raw_k, w_.k_norm, w_.norm_eps);
  text.v = qkv.rightCols(n_kv);
  text.input = x;
  text.positions.resize(size_t(x.rows()));
  std::iota(text.positions.begin(), text.positions.end(), 0);
  turn_heads(phases, rotary_, d, T(1), text.q);
  turn_heads(phases, rotary_, d, T(1), text.k);
}

template <class T>
Rows<T> WholeLayer<T>::project_backward(const WholeLayerTape<T>& tape, Rows<T> d_q, Rows<T> d_k,
                                        const Rows<T>& d_v) const {
  Rows<T> d_qkv(d_q.rows(), w_.qkv.rows());
  d_qkv << norm_heads_backward(tape.raw_q, w_.q_norm, w_.norm_eps, d_q),
      norm_heads_backward(tape.raw_k, w_.k_norm, w_.norm_eps, d_k), d_v;
  return rms_norm_backward(tape.input, w_.attn_norm, w_.norm_eps, product(d_qkv, w_.qkv_t));
}

template <class T>
Rows<T> WholeLayer<T>::forward(const Rows<T>& x, const Rows<T>& phases, const LayerCode& code,
                               WholeLayerTape<T>& tape, bool frozen) const {
  project(x, phases, tape);
  const Rows<T> keys = to_frame(phases, *code.frame, tape.text.k);
  tape.coded.k = from_frame(phases, *code.frame,
                            code_side(code.bases->k, code.widths->k, keys, tape.k, frozen));
  tape.coded.v = code_side(code.bases->v, code.widths->v, tape.text.v, tape.v, frozen);
  return model_.forward(tape.text, tape.coded, tape.layer);
}

template <class T>
Rows<T> WholeLayer<T>::backward(const Rows<T>& phases, const LayerCode& code,
                                const WholeLayerTape<T>& tape, const Rows<T>& d_output,
                                LayerGradient& gradient) const {
  const int d = model_.shape().head_dim;
  auto own = model_.backward_all(tape.text, tape.coded, tape.layer, d_output);
  AttentionGradient<T>& at = own.attention;
  // A turn's gradient is the turn back; means that are left out and put back do not move.
  if (code.frame->pre_rope) turn_heads(phases, rotary_, d, T(-1), at.coded.k);
  Rows<T> d_k = side_backward(code.bases->k, code.widths->k, tape.k, at.coded.k, gradient.k, true);
  if (code.frame->pre_rope) turn_heads(phases, rotary_, d, T(1), d_k);
  d_k += at.exact.k;
  turn_heads(phases, rotary_, d, T(-1), d_k);
  turn_heads(phases, rotary_, d, T(-1), at.q);
  const Rows<T> d_v =
      side_backward(code.bases->v, code.widths->v, tape.v, at.coded.v, gradient.v, true) +
      at.exact.v;
  return own.input + project_backward(tape, std::move(at.q), std::move(d_k), d_v);
}

#define LOWKEY_INSTANTIATE(T)                                                             \
  template ProjectionMatrices<T> projection_matrices(const engine::LayerWeights&, float); \
  template void turn_heads(const Rows<T>&, const Rotary&, int, T, Rows<T>&);              \
  template class WholeLayer<T>
LOWKEY_INSTANTIATE(float);
LOWKEY_INSTANTIATE(double);
#undef LOWKEY_INSTANTIATE

}  // namespace lowkey::calib
