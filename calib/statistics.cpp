#include "calib/statistics.h"

#include <algorithm>

#include "base/check.h"

namespace lowkey::calib {
namespace {

MatrixView<const float> columns(MatrixView<const float> x, int64_t begin, int64_t n) {
  return {x.data + begin, x.rows, n, x.stride};
}

std::span<const float> head_weights(const std::vector<float>& weights, int64_t n, int head) {
  if (weights.empty()) return {};
  return {weights.data() + head * n, size_t(n)};
}

/// Weights of the joint rows: the sum over heads.
std::vector<float> sum_over_heads(const std::vector<float>& weights, int64_t n) {
  std::vector<float> sums(weights.empty() ? 0 : size_t(n), 0.0f);
  for (size_t i = 0; i < weights.size(); ++i) sums[i % size_t(n)] += weights[i];
  return sums;
}

/// [x, phase], rows side by side.
std::vector<float> append_phase(MatrixView<const float> x, MatrixView<const float> phase) {
  std::vector<float> rows;
  rows.reserve(size_t(x.rows * (x.cols + phase.cols)));
  for (int64_t i = 0; i < x.rows; ++i) {
    rows.insert(rows.end(), x.row(i), x.row(i) + x.cols);
    rows.insert(rows.end(), phase.row(i), phase.row(i) + phase.cols);
  }
  return rows;
}

/// Adds x [n, n_grams * dim] to the moments of each head, or of all heads jointly.
void add_side(std::vector<Gram>& grams, MatrixView<const float> x, MatrixView<const float> phase,
              const std::vector<float>& weights) {
  const int64_t n_grams = int64_t(grams.size()), dim = x.cols / n_grams;
  const bool joint = n_grams == 1;
  const std::vector<float> sums = joint ? sum_over_heads(weights, x.rows) : std::vector<float>{};
  for (int64_t head = 0; head < n_grams; ++head) {
    const auto own =
        joint ? std::span<const float>(sums) : head_weights(weights, x.rows, int(head));
    const auto part = columns(x, head * dim, dim);
    if (grams[size_t(head)].dim() == dim) {
      grams[size_t(head)].accumulate(part, own);
      continue;
    }
    const std::vector<float> rows = append_phase(part, phase);
    grams[size_t(head)].accumulate(matrix(rows.data(), x.rows, dim + phase.cols), own);
  }
}

/// Adds q [n, n_heads * d] to the moments of each group.
void add_queries(const LayerShape& shape, std::vector<Gram>& grams, MatrixView<const float> q,
                 const std::vector<float>& weights) {
  for (int head = 0; head < shape.n_heads; ++head) {
    grams[size_t(head / shape.group())].accumulate(
        columns(q, int64_t{head} * shape.head_dim, shape.head_dim),
        head_weights(weights, q.rows, head));
  }
}

void add_set(const LayerStatistics& s, MomentSet& set, const LayerRows& rows,
             const TokenWeights& weights) {
  add_side(set.k, rows.k, rows.phase, weights.key);
  add_side(set.v, rows.v, {}, weights.value);
  add_queries(s.shape, set.q, rows.q, weights.query);
  if (!s.plan.pre_rope) return;
  add_side(set.k_pre, rows.k_pre, {}, weights.key);
  add_queries(s.shape, set.q_pre, rows.q_pre, weights.query);
}

MomentSet make_set(const LayerShape& shape, const StatisticsPlan& plan, int n_rot) {
  const int n = plan.joint ? 1 : shape.n_kv_heads;
  const int dim = shape.head_dim * (plan.joint ? shape.n_kv_heads : 1);
  MomentSet set;
  set.k.assign(size_t(n), Gram(dim + (plan.rotary ? n_rot : 0)));
  set.v.assign(size_t(n), Gram(dim));
  set.q.assign(size_t(shape.n_kv_heads), Gram(shape.head_dim));
  if (plan.pre_rope) {
    set.k_pre.assign(size_t(n), Gram(dim));
    set.q_pre = set.q;
  }
  return set;
}

void merge_all(std::vector<Gram>& into, const std::vector<Gram>& from) {
  for (size_t i = 0; i < into.size(); ++i) into[i].merge(from[i]);
}

void merge_set(MomentSet& into, const MomentSet& from) {
  merge_all(into.k, from.k);
  merge_all(into.k_pre, from.k_pre);
  merge_all(into.v, from.v);
  merge_all(into.q, from.q);
  merge_all(into.q_pre, from.q_pre);
}

}  // namespace

LayerStatistics make_statistics(const LayerShape& shape, const StatisticsPlan& plan, int n_rot,
                                MatrixView<const float> w_o) {
  LK_CHECK(w_o.cols == int64_t{shape.n_heads} * shape.head_dim, "output projection of this layer");
  LayerStatistics s;
  s.shape = shape;
  s.plan = plan;
  if (plan.plain) s.plain = make_set(shape, plan, n_rot);
  if (plan.second_order) s.weighted = make_set(shape, plan, n_rot);
  s.value_weights.assign(size_t(shape.n_heads), 0.0);
  for (int head = 0; head < shape.n_heads; ++head) {
    Gram gram(shape.head_dim);
    gram.accumulate(columns(w_o, int64_t{head} * shape.head_dim, shape.head_dim));
    s.output_grams.push_back(gram.moment() * gram.weight());
  }
  return s;
}

void add_rows(LayerStatistics& s, const LayerRows& rows) {
  if (s.plan.plain) add_set(s, s.plain, rows, {});
  if (!s.plan.second_order) return;
  LK_CHECK(rows.weights != nullptr, "second-order statistics need token weights");
  add_set(s, s.weighted, rows, *rows.weights);
  for (size_t h = 0; h < s.value_weights.size(); ++h) {
    s.value_weights[h] += rows.weights->value_per_head[h];
  }
}

void write_sums(const LayerStatistics& s, std::vector<double>& out) {
  for (const MomentSet* set : {&s.plain, &s.weighted}) {
    for (const auto* grams : {&set->k, &set->k_pre, &set->v, &set->q, &set->q_pre}) {
      for (const Gram& gram : *grams) gram.write(out);
    }
  }
  out.insert(out.end(), s.value_weights.begin(), s.value_weights.end());
}

Result<std::span<const double>> read_sums(LayerStatistics& s, std::span<const double> numbers) {
  const auto too_few = [&] {
    return make_error(ErrorCode::kInvalidData, "statistics",
                      "expected the sums of a layer, found fewer numbers");
  };
  for (MomentSet* set : {&s.plain, &s.weighted}) {
    for (auto* grams : {&set->k, &set->k_pre, &set->v, &set->q, &set->q_pre}) {
      for (Gram& gram : *grams) {
        if (numbers.size() < gram.n_numbers()) return too_few();
        numbers = gram.read(numbers);
      }
    }
  }
  const size_t n = s.value_weights.size();
  if (numbers.size() < n) return too_few();
  std::copy_n(numbers.begin(), n, s.value_weights.begin());
  return numbers.subspan(n);
}

void merge(LayerStatistics& s, const LayerStatistics& other) {
  if (s.plan.plain) merge_set(s.plain, other.plain);
  if (s.plan.second_order) merge_set(s.weighted, other.weighted);
  for (size_t h = 0; h < s.value_weights.size(); ++h) s.value_weights[h] += other.value_weights[h];
}

}  // namespace lowkey::calib
