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

template <class T>
KvRows<T> attend_backward(const LayerText<T>& text, const KvRows<T>& coded, const LayerShape& shape,
                          const ExactTokens& exact, const AttentionTape<T>& tape,
                          const Rows<T>& d_output) {
  const int d = shape.head_dim;
  KvRows<T> gradient{Rows<T>::Zero(coded.k.rows(), coded.k.cols()),
                     Rows<T>::Zero(coded.v.rows(), coded.v.cols())};
  for (int h = 0; h < shape.n_heads; ++h) {
    const int kv = h / shape.group();
    const Rows<T>& p = tape.probabilities[size_t(h)];
    const auto d_out = head_of(d_output, h, d);
    Rows<T> d_p = product(d_out, head_of(text.v, kv, d));
    copy_coded(product(d_out, head_of(coded.v, kv, d)), text, exact, d_p);
    const Column<T> mean = p.cwiseProduct(d_p).rowwise().sum();
    d_p.colwise() -= mean;
    const Rows<T> d_scores = coded_part(Rows<T>(p.cwiseProduct(d_p)), text, exact).transpose();
    const Rows<T> part = coded_part(p, text, exact).transpose();
    const Rows<T> q = head_of(text.q, h, d).transpose() * scale_of<T>(shape);
    const Rows<T> d_out_t = d_out.transpose();
    gradient.k.middleCols(Eigen::Index{kv} * d, d) += product(d_scores, q);
    gradient.v.middleCols(Eigen::Index{kv} * d, d) += product(part, d_out_t);
  }
  return gradient;
}

#define LOWKEY_INSTANTIATE(T)                                                                  \
  template Rows<T> attend(const LayerText<T>&, const KvRows<T>&, const LayerShape&,            \
                          const ExactTokens&, AttentionTape<T>&);                              \
  template KvRows<T> attend_backward(const LayerText<T>&, const KvRows<T>&, const LayerShape&, \
                                     const ExactTokens&, const AttentionTape<T>&, const Rows<T>&)
LOWKEY_INSTANTIATE(float);
LOWKEY_INSTANTIATE(double);
#undef LOWKEY_INSTANTIATE

}  // namespace lowkey::calib
