#include "calib/second_order.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "calib/rows.h"

namespace lowkey::calib {
namespace {

using RowsMap = Eigen::Map<const Rows<float>, 0, Eigen::OuterStride<>>;

constexpr int64_t kBlockQueries = 64;

RowsMap head_of(MatrixView<const float> x, int head, int d, int64_t n) {
  return RowsMap(x.data + int64_t{head} * d, n, d, Eigen::OuterStride<>(x.stride));
}

/// Softmax of each row over its causal past; positions [n_queries].
void causal_softmax(Rows<float>& scores, const std::vector<int64_t>& positions) {
  for (int64_t i = 0; i < scores.rows(); ++i) {
    const int64_t n = positions[size_t(i)] + 1;
    auto past = scores.row(i).head(n).array();
    past = (past - past.maxCoeff()).exp();
    past /= past.sum();
    scores.row(i).tail(scores.cols() - n).setZero();
  }
}

/// One query head against its KV head, a block of queries at a time.
class HeadWeights {
 public:
  HeadWeights(const AttentionSample& sample, int head, TokenWeights& out)
      : s_(sample),
        head_(head),
        kv_head_(head / sample.shape.group()),
        metric_(sample.output_grams[size_t(head)].cast<float>()),
        out_(out) {
    const Rows<float> values = head_of(s_.v, kv_head_, d(), s_.v.rows);
    values_t_ = values.transpose();
    metric_values_ = values * metric_;
    value_norms_ = metric_values_.cwiseProduct(values).rowwise().sum();
  }

  void run() {
    std::vector<int64_t> positions;
    for (int64_t m = s_.query_stride - 1; m < s_.q.rows; m += s_.query_stride) {
      positions.push_back(m);
      if (int64_t(positions.size()) < kBlockQueries) continue;
      add_block(positions);
      positions.clear();
    }
    if (!positions.empty()) add_block(positions);
  }

 private:
  int d() const { return s_.shape.head_dim; }

  void add_block(const std::vector<int64_t>& positions) {
    const int64_t n_keys = positions.back() + 1, n_queries = int64_t(positions.size());
    Rows<float> queries(n_queries, d());
    for (int64_t i = 0; i < n_queries; ++i) {
      queries.row(i) = head_of(s_.q, head_, d(), s_.q.rows).row(positions[size_t(i)]) * s_.scale;
    }
    Rows<float> attention = product(queries, head_of(s_.k, kv_head_, d(), n_keys));
    causal_softmax(attention, positions);
    const Rows<float> outputs = product(attention, values_t_.leftCols(n_keys));
    const Rows<float> crossed = product(outputs, metric_values_.topRows(n_keys));
    const Eigen::VectorXf norms = (outputs * metric_).cwiseProduct(outputs).rowwise().sum();
    for (int64_t i = 0; i < n_queries; ++i) {
      const int64_t m = positions[size_t(i)], first = std::min<int64_t>(s_.n_sinks, n_keys);
      const int64_t n = std::max<int64_t>(m + 1 - s_.window - first, 0);  // coded tokens
      const Eigen::RowVectorXf squared = attention.row(i).segment(first, n).cwiseAbs2();
      const Eigen::RowVectorXf distance = value_norms_.segment(first, n).transpose() -
                                          2 * crossed.row(i).segment(first, n) +
                                          Eigen::RowVectorXf::Constant(n, norms(i));
      add(m, squared, squared.cwiseProduct(distance.cwiseMax(0.0f)));
    }
  }

  /// What the coded tokens are worth to query m: from the first behind the sinks on.
  void add(int64_t m, const Eigen::RowVectorXf& squared, const Eigen::RowVectorXf& weights) {
    const auto of_keys = [&](std::vector<float>& x) {
      return Eigen::Map<Eigen::RowVectorXf>(x.data() + kv_head_ * out_.n_tokens + s_.n_sinks,
                                            squared.size());
    };
    out_.query[size_t(head_ * out_.n_tokens + m)] += weights.sum();
    of_keys(out_.key) += weights;
    of_keys(out_.value) += squared;
    out_.value_per_head[size_t(head_)] += squared.cast<double>().sum();
  }

  const AttentionSample& s_;
  int head_;
  int kv_head_;
  Rows<float> metric_;
  Rows<float> values_t_;         // [d, n_tokens]
  Rows<float> metric_values_;    // [n_tokens, d]: M v_n
  Eigen::VectorXf value_norms_;  // [n_tokens]: v_n^T M v_n
  TokenWeights& out_;
};

}  // namespace

TokenWeights second_order_weights(const AttentionSample& sample) {
  const int64_t n = sample.q.rows;
  TokenWeights out;
  out.n_tokens = n;
  out.query.assign(size_t(sample.shape.n_heads * n), 0.0f);
  out.key.assign(size_t(sample.shape.n_kv_heads * n), 0.0f);
  out.value = out.key;
  out.value_per_head.assign(size_t(sample.shape.n_heads), 0.0);
  for (int head = 0; head < sample.shape.n_heads; ++head) HeadWeights(sample, head, out).run();
  return out;
}

}  // namespace lowkey::calib
