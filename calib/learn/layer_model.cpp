#include "calib/learn/layer_model.h"

#include <vector>

#include "calib/learn/rms_norm.h"

namespace lowkey::calib {
namespace {

template <class T>
Rows<T> rows_of(const engine::Linear& linear, int64_t first, int64_t n) {
  std::vector<float> row(size_t(linear.n_cols()));
  Rows<T> out(n, linear.n_cols());
  for (int64_t i = 0; i < n; ++i) {
    linear.row(first + i, row.data());
    for (int64_t j = 0; j < linear.n_cols(); ++j) out(i, j) = T(row[size_t(j)]);
  }
  return out;
}

template <class T>
Rows<T> sigmoid(const Rows<T>& x) {
  return (T(1) + (-x.array()).exp()).inverse().matrix();
}

}  // namespace

template <class T>
void LayerMatrices<T>::complete() {
  o_t = o.transpose();
  gate_t = gate.transpose();
  up_t = up.transpose();
  down_t = down.transpose();
}

template <class T>
LayerMatrices<T> layer_matrices(const engine::LayerWeights& weights, float norm_eps) {
  const int64_t n_ff = weights.gate_up.n_rows() / 2;
  LayerMatrices<T> out;
  out.o = rows_of<T>(weights.o, 0, weights.o.n_rows());
  out.gate = rows_of<T>(weights.gate_up, 0, n_ff);
  out.up = rows_of<T>(weights.gate_up, n_ff, n_ff);
  out.down = rows_of<T>(weights.down, 0, weights.down.n_rows());
  const Eigen::Map<const Column<float>> norm(weights.ffn_norm.data(),
                                             Eigen::Index(weights.ffn_norm.size()));
  out.ffn_norm = norm.template cast<T>();
  out.norm_eps = T(norm_eps);
  out.complete();
  return out;
}

template <class T>
Rows<T> LayerModel<T>::forward(const LayerText<T>& text, const KvRows<T>& coded,
                               LayerTape<T>& tape) const {
  const Rows<T> attended = attend(text, coded, shape_, exact_, tape.attention);
  tape.residual = text.input + product(attended, w_.o);
  const Rows<T> normed = rms_norm(tape.residual, w_.ffn_norm, w_.norm_eps);
  tape.gate = product(normed, w_.gate);
  tape.up = product(normed, w_.up);
  const Rows<T> hidden = tape.gate.cwiseProduct(sigmoid(tape.gate)).cwiseProduct(tape.up);
  return tape.residual + product(hidden, w_.down);
}

template <class T>
Rows<T> LayerModel<T>::residual_gradient(const LayerTape<T>& tape, const Rows<T>& d_output) const {
  const Rows<T> d_hidden = product(d_output, w_.down_t);
  const Rows<T> s = sigmoid(tape.gate);
  const Rows<T> silu = tape.gate.cwiseProduct(s);
  // silu' = s + silu (1 - s)
  const Rows<T> slope = s + silu - silu.cwiseProduct(s);
  const Rows<T> d_gate = d_hidden.cwiseProduct(tape.up).cwiseProduct(slope);
  const Rows<T> d_up = d_hidden.cwiseProduct(silu);
  const Rows<T> d_normed = product(d_gate, w_.gate_t) + product(d_up, w_.up_t);
  return d_output + rms_norm_backward(tape.residual, w_.ffn_norm, w_.norm_eps, d_normed);
}

template <class T>
KvRows<T> LayerModel<T>::backward(const LayerText<T>& text, const KvRows<T>& coded,
                                  const LayerTape<T>& tape, const Rows<T>& d_output) const {
  const Rows<T> d_attended = product(residual_gradient(tape, d_output), w_.o_t);
  return attend_backward(text, coded, shape_, exact_, tape.attention, d_attended);
}

template <class T>
LayerModelGradient<T> LayerModel<T>::backward_all(const LayerText<T>& text, const KvRows<T>& coded,
                                                  const LayerTape<T>& tape,
                                                  const Rows<T>& d_output) const {
  LayerModelGradient<T> out;
  out.input = residual_gradient(tape, d_output);
  out.attention =
      attend_backward_all(text, coded, shape_, exact_, tape.attention, product(out.input, w_.o_t));
  return out;
}

template struct LayerMatrices<float>;
template struct LayerMatrices<double>;
template LayerMatrices<float> layer_matrices(const engine::LayerWeights&, float);
template LayerMatrices<double> layer_matrices(const engine::LayerWeights&, float);
template class LayerModel<float>;
template class LayerModel<double>;

}  // namespace lowkey::calib
