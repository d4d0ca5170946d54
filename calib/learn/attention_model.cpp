#include "calib/learn/attention_model.h"

#include <algorithm>
#include <cmath>

namespace lowkey::calib {
namespace {

/// Columns of one head.
template <class T>
RowsRef<T> head_of(const Rows<T>& x, int head, int d) {
  return x.middleCols(Eigen::Index{head} * d, d);
}

/// First and one past the last coded token of a query at `position`.
struct CodedRange {
  Eigen::Index begin, size;
};
CodedRange coded_range(int position, const ExactTokens& exact) {
  const int end = std::max(position + 1 - exact.window, 0);
  const int begin = std::min(exact.n_sinks, end);
  return {begin, end - begin};
}

/// Copies the coded columns of every query's row from `from` to `to`.
template <class T>
void copy_coded(const Rows<T>& from, const LayerText<T>& text, const ExactTokens& exact,
                Rows<T>& to) {
  for (Eigen::Index i = 0; i < to.rows(); ++i) {
    const auto coded = coded_range(text.positions[size_t(i)], exact);
    to.row(i).segment(coded.begin, coded.size) = from.row(i).segment(coded.begin, coded.size);
  }
}

/// The coded columns alone; zero elsewhere.
template <class T>
Rows<T> coded_part(const Rows<T>& x, const LayerText<T>& text, const ExactTokens& exact) {
  Rows<T> out = Rows<T>::Zero(x.rows(), x.cols());
  copy_coded(x, text, exact, out);
  return out;
}

template <class T>
void causal_softmax(const LayerText<T>& text, Rows<T>& scores) {
  for (Eigen::Index i = 0; i < scores.rows(); ++i) {
    const Eigen::Index n = text.positions[size_t(i)] + 1;
    auto past = scores.row(i).head(n).array();
    past = (past - past.maxCoeff()).exp();
    past /= past.sum();
    scores.row(i).tail(scores.cols() - n).setZero();
  }
}

template <class T>
T scale_of(const LayerShape& shape) {
  return T(1) / std::sqrt(T(shape.head_dim));
}

}  // namespace

template <class T>
Rows<T> attend(const LayerText<T>& text, const KvRows<T>& coded, const LayerShape& shape,
               const ExactTokens& exact, AttentionTape<T>& tape) {
  const int d = shape.head_dim;
  Rows<T> output(text.q.rows(), text.q.cols());
  tape.probabilities.resize(size_t(shape.n_heads));
  for (int h = 0; h < shape.n_heads; ++h) {
    const int kv = h / shape.group();
    const Rows<T> q = head_of(text.q, h, d) * scale_of<T>(shape);
    Rows<T>& p = tape.probabilities[size_t(h)];
    p = product(q, head_of(text.k, kv, d));
    copy_coded(product(q, head_of(coded.k, kv, d)), text, exact, p);
    causal_softmax(text, p);
    const Rows<T> part = coded_part(p, text, exact);
    const Rows<T> v_exact = head_of(text.v, kv, d).transpose();
    const Rows<T> v_coded = head_of(coded.v, kv, d).transpose();
    output.middleCols(Eigen::Index{h} * d, d) =
        product(part, v_coded) + product(Rows<T>(p - part), v_exact);
  }
  return output;
}

namespace {

template <class T>
KvRows<T> zero_rows(const KvRows<T>& like) {
  return {Rows<T>::Zero(like.k.rows(), like.k.cols()), Rows<T>::Zero(like.v.rows(), like.v.cols())};
}

/// Gradient with respect to the scores of head h.
template <class T>
Rows<T> score_gradient(const LayerText<T>& text, const KvRows<T>& coded, int kv,
                       const ExactTokens& exact, const Rows<T>& p, const RowsRef<T>& d_out) {
  const Eigen::Index d = d_out.cols();
  Rows<T> d_p = product(d_out, head_of(text.v, kv, int(d)));
  copy_coded(product(d_out, head_of(coded.v, kv, int(d))), text, exact, d_p);
  const Column<T> mean = p.cwiseProduct(d_p).rowwise().sum();
  d_p.colwise() -= mean;
  return p.cwiseProduct(d_p);
}

/// What one kind of keys and values, exact or coded, gets from head h: `scores` and `p` are zero
/// where the other kind is read.
template <class T>
void add_kv_gradient(const Rows<T>& scores, const Rows<T>& p, const Rows<T>& q_t,
                     const Rows<T>& d_out_t, Eigen::Index column, KvRows<T>& gradient) {
  const Eigen::Index d = q_t.rows();
  gradient.k.middleCols(column, d) += product(Rows<T>(scores.transpose()), q_t);
  gradient.v.middleCols(column, d) += product(Rows<T>(p.transpose()), d_out_t);
}

}  // namespace

template <class T>
AttentionGradient<T> attend_backward_all(const LayerText<T>& text, const KvRows<T>& coded,
                                         const LayerShape& shape, const ExactTokens& exact,
                                         const AttentionTape<T>& tape, const Rows<T>& d_output) {
  const int d = shape.head_dim;
  AttentionGradient<T> out{zero_rows(coded), zero_rows(coded),
                           Rows<T>(text.q.rows(), text.q.cols())};
  for (int h = 0; h < shape.n_heads; ++h) {
    const int kv = h / shape.group();
    const Eigen::Index column = Eigen::Index{kv} * d;
    const Rows<T>& p = tape.probabilities[size_t(h)];
    const auto d_out = head_of(d_output, h, d);
    const Rows<T> d_scores = score_gradient(text, coded, kv, exact, p, d_out);
    const Rows<T> d_coded = coded_part(d_scores, text, exact), d_exact = d_scores - d_coded;
    const Rows<T> p_coded = coded_part(p, text, exact);
    const Rows<T> q_t = head_of(text.q, h, d).transpose() * scale_of<T>(shape);
    const Rows<T> d_out_t = d_out.transpose();
    add_kv_gradient(d_coded, p_coded, q_t, d_out_t, column, out.coded);
    add_kv_gradient(d_exact, Rows<T>(p - p_coded), q_t, d_out_t, column, out.exact);
    const Rows<T> k_exact = head_of(text.k, kv, d).transpose();
    const Rows<T> k_coded = head_of(coded.k, kv, d).transpose();
    out.q.middleCols(Eigen::Index{h} * d, d) =
        (product(d_exact, k_exact) + product(d_coded, k_coded)) * scale_of<T>(shape);
  }
  return out;
}

template <class T>
KvRows<T> attend_backward(const LayerText<T>& text, const KvRows<T>& coded, const LayerShape& shape,
                          const ExactTokens& exact, const AttentionTape<T>& tape,
                          const Rows<T>& d_output) {
  const int d = shape.head_dim;
  KvRows<T> gradient = zero_rows(coded);
  for (int h = 0; h < shape.n_heads; ++h) {
    const int kv = h / shape.group();
    const Rows<T>& p = tape.probabilities[size_t(h)];
    const auto d_out = head_of(d_output, h, d);
    const Rows<T> d_scores = score_gradient(text, coded, kv, exact, p, d_out);
    const Rows<T> q_t = head_of(text.q, h, d).transpose() * scale_of<T>(shape);
    add_kv_gradient(coded_part(d_scores, text, exact), coded_part(p, text, exact), q_t,
                    Rows<T>(d_out.transpose()), Eigen::Index{kv} * d, gradient);
  }
  return gradient;
}

#define LOWKEY_INSTANTIATE(T)                                                                  \
  template Rows<T> attend(const LayerText<T>&, const KvRows<T>&, const LayerShape&,            \
                          const ExactTokens&, AttentionTape<T>&);                              \
  template AttentionGradient<T> attend_backward_all(const LayerText<T>&, const KvRows<T>&,     \
                                                    const LayerShape&, const ExactTokens&,     \
                                                    const AttentionTape<T>&, const Rows<T>&);  \
  template KvRows<T> attend_backward(const LayerText<T>&, const KvRows<T>&, const LayerShape&, \
                                     const ExactTokens&, const AttentionTape<T>&, const Rows<T>&)
LOWKEY_INSTANTIATE(float);
LOWKEY_INSTANTIATE(double);
#undef LOWKEY_INSTANTIATE

}  // namespace lowkey::calib
