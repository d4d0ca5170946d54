#include "calib/second_order.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lowkey::calib {
namespace {

using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using RowsMap = Eigen::Map<const Rows, 0, Eigen::OuterStride<>>;

constexpr int64_t kBlockQueries = 64;

RowsMap head_of(MatrixView<const float> x, int head, int d, int64_t n) {
  return RowsMap(x.data + int64_t{head} * d, n, d, Eigen::OuterStride<>(x.stride));
}

/// Softmax of each row over its causal past; positions [n_queries].
void causal_softmax(Rows& scores, const std::vector<int64_t>& positions) {
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
    const Rows values = head_of(s_.v, kv_head_, d(), s_.v.rows);
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
    Rows queries(n_queries, d());
    for (int64_t i = 0; i < n_queries; ++i) {
      queries.row(i) = head_of(s_.q, head_, d(), s_.q.rows).row(positions[size_t(i)]) * s_.scale;
    }
    Rows attention = queries * head_of(s_.k, kv_head_, d(), n_keys).transpose();
    causal_softmax(attention, positions);
    const Rows outputs = attention * head_of(s_.v, kv_head_, d(), n_keys);
    const Rows crossed = outputs * metric_values_.topRows(n_keys).transpose();
    const Eigen::VectorXf norms = (outputs * metric_).cwiseProduct(outputs).rowwise().sum();
    for (int64_t i = 0; i < n_queries; ++i) {
      const int64_t m = positions[size_t(i)], n_coded = m + 1 - s_.window;
      for (int64_t n = s_.n_sinks; n < n_coded; ++n) {
        const float squared = attention(i, n) * attention(i, n);
        const float distance = value_norms_(n) - 2 * crossed(i, n) + norms(i);
        add(m, n, squared, squared * std::max(distance, 0.0f));
      }
    }
  }

  void add(int64_t m, int64_t n, float squared, float weight) {
    out_.query[size_t(head_ * out_.n_tokens + m)] += weight;
    out_.key[size_t(kv_head_ * out_.n_tokens + n)] += weight;
    out_.value[size_t(kv_head_ * out_.n_tokens + n)] += squared;
    out_.value_per_head[size_t(head_)] += double(squared);
  }

  const AttentionSample& s_;
  int head_;
  int kv_head_;
  Rows metric_;
  Rows metric_values_;           // [n_tokens, d]: M v_n
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
