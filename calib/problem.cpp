#include "calib/problem.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace lowkey::calib {
namespace {

Error refused(const char* what) {
  return make_error(ErrorCode::kInvalidArgument, "calibration statistics",
                    std::string("expected ") + what + ", found statistics without them");
}

/// The mean before RoPE, E[R_n^T k_n], from the moment of keys [d] with phases [n_rot].
Vector unrotated_mean(const Matrix& key_phase, const Vector& mean, const Rotary& rotary) {
  Vector mu = mean;  // what does not turn
  const int half = rotary.n_rot / 2;
  for (int i = 0; i < half; ++i) {
    const auto [a, b] = pair_of(rotary, i);
    mu(a) = key_phase(a, i) + key_phase(b, half + i);
    mu(b) = key_phase(b, i) - key_phase(a, half + i);
  }
  return mu;
}

/// Second moment of k - R_n mu from the moments of [k, phase].
void centre_rotary(const Gram& keys, const Rotary& rotary, std::span<const int> left_in,
                   Problem& problem) {
  const int d = keys.dim() - rotary.n_rot;
  const Matrix moment = keys.moment();
  const Vector mean = keys.mean();
  problem.mean = unrotated_mean(moment.topRightCorner(d, rotary.n_rot), mean.head(d), rotary);
  for (const int i : left_in) {
    const auto [a, b] = pair_of(rotary, i);
    problem.mean(a) = problem.mean(b) = 0;
  }
  Vector still = problem.mean;
  still.head(rotary.n_rot).setZero();
  Matrix residual(d, keys.dim());  // k - R_n mu + still = residual [k, phase]
  residual << Matrix::Identity(d, d), -rotation_of_phase(problem.mean, rotary);
  const Vector left = residual * mean;
  problem.covariance = residual * moment * residual.transpose() - left * still.transpose() -
                       still * left.transpose() + still * still.transpose();
}

void centre_keys(const Gram& keys, const ProblemOptions& options, std::span<const int> left_in,
                 int d, Problem& problem) {
  if (options.centring == Centring::kRotary) {
    return centre_rotary(keys, options.rotary, left_in, problem);
  }
  const Vector mean = keys.mean().head(d);
  problem.covariance = keys.moment().topLeftCorner(d, d);
  problem.mean = Vector::Zero(d);
  if (options.centring == Centring::kNone) return;
  problem.covariance -= mean * mean.transpose();
  problem.mean = mean;
}

/// E over distances of R^T M R.
Matrix turn_metric(const Matrix& metric, const ProblemOptions& options) {
  if (options.distances.rows == 0) return metric;
  Matrix sum = Matrix::Zero(metric.rows(), metric.cols());
  const int half = options.rotary.n_rot / 2;
  for (int64_t n = 0; n < options.distances.rows; ++n) {
    Matrix turn = Matrix::Identity(metric.rows(), metric.cols());
    for (int i = 0; i < half; ++i) {
      const auto [a, b] = pair_of(options.rotary, i);
      const double cosine = options.distances.row(n)[i], sine = options.distances.row(n)[half + i];
      turn(a, a) = turn(b, b) = cosine;
      turn(a, b) = -sine;
      turn(b, a) = sine;
    }
    sum += turn.transpose() * metric * turn;
  }
  return sum / double(options.distances.rows);
}

/// Blocks of the heads `begin`.. along the diagonal.
template <class Block>
Matrix block_diagonal(int n, int d, const Block& block) {
  Matrix out = Matrix::Zero(n * d, n * d);
  for (int i = 0; i < n; ++i) out.block(i * d, i * d, d, d) = block(i);
  return out;
}

Status check_options(const LayerStatistics& s, const ProblemOptions& options, int head) {
  const int n = s.plan.joint ? 1 : s.shape.n_kv_heads;
  if (head < 0 || head >= n) return refused("this KV head");
  if (options.second_order ? !s.plan.second_order : !s.plan.plain) {
    return refused(options.second_order ? "second-order moments" : "plain moments");
  }
  if (options.pre_rope && !s.plan.pre_rope) return refused("moments before RoPE");
  if (options.centring == Centring::kRotary && (!s.plan.rotary || s.plan.joint)) {
    return refused("moments with phases, per head");
  }
  if (options.centring == Centring::kRotary && options.pre_rope) {
    return refused("keys after RoPE for centring by the turned mean");
  }
  return {};
}

}  // namespace

std::pair<int, int> pair_of(const Rotary& rotary, int i) {
  if (rotary.neighbours) return {2 * i, 2 * i + 1};
  return {i, i + rotary.n_rot / 2};
}

Matrix rotation_of_phase(const Vector& mu, const Rotary& rotary) {
  Matrix out = Matrix::Zero(mu.size(), rotary.n_rot);
  const int half = rotary.n_rot / 2;
  for (int i = 0; i < half; ++i) {
    const auto [a, b] = pair_of(rotary, i);
    out(a, i) = mu(a);
    out(a, half + i) = -mu(b);
    out(b, i) = mu(b);
    out(b, half + i) = mu(a);
  }
  return out;
}

std::vector<int> cheap_pairs(const Basis& basis, const Rotary& rotary, double bits) {
  const Eigen::Index d = basis.encoder.rows(), n_stored = 3 * d / 4;
  const std::vector<Eigen::Index> order = by_importance(basis);
  std::vector<int> cheap;
  for (int i = 0; i < rotary.n_fast; ++i) {
    const auto [a, b] = pair_of(rotary, i);
    const double energy = std::pow(basis.mean(a), 2) + std::pow(basis.mean(b), 2);
    double saved = 0;
    for (Eigen::Index c = 0; c < n_stored; ++c) {
      const auto row = basis.encoder.row(order[size_t(c)]);
      const double added = energy * (row(a) * row(a) + row(b) * row(b)) / 2;
      saved += 0.5 * std::log2(1 + added / std::max(basis.variances(order[size_t(c)]), 1e-30));
    }
    if (saved < bits) cheap.push_back(i);
  }
  return cheap;
}

Result<Problem> key_problem(const LayerStatistics& s, const ProblemOptions& options, int head,
                            std::span<const int> left_in) {
  LK_RETURN_IF_ERROR(check_options(s, options, head));
  const MomentSet& set = options.second_order ? s.weighted : s.plain;
  const auto& keys = options.pre_rope ? set.k_pre : set.k;
  const auto& queries = options.pre_rope ? set.q_pre : set.q;
  const int n = s.plan.joint ? s.shape.n_kv_heads : 1, d = s.shape.head_dim;
  Problem problem;
  problem.side = Side::kKeys;
  centre_keys(keys[size_t(head)], options, left_in, n * d, problem);
  problem.metric = block_diagonal(n, d, [&](int i) {
    const Gram& own = queries[size_t(head + i)];
    // Sums, not means: heads with more weight count more.
    const Matrix metric = own.moment() * (options.second_order ? own.weight() : 1.0);
    return options.pre_rope ? turn_metric(metric, options) : metric;
  });
  return problem;
}

Result<Problem> value_problem(const LayerStatistics& s, const ProblemOptions& options, int head) {
  ProblemOptions values = options;
  values.pre_rope = false;  // values do not turn
  values.centring = Centring::kMean;
  LK_RETURN_IF_ERROR(check_options(s, values, head));
  const MomentSet& set = options.second_order ? s.weighted : s.plain;
  const int n = s.plan.joint ? s.shape.n_kv_heads : 1, d = s.shape.head_dim;
  Problem problem;
  problem.side = Side::kValues;
  problem.covariance = set.v[size_t(head)].covariance();
  problem.mean = set.v[size_t(head)].mean();
  problem.metric = block_diagonal(n, d, [&](int i) {
    Matrix sum = Matrix::Zero(d, d);
    for (int g = 0; g < s.shape.group(); ++g) {
      const size_t query_head = size_t((head + i) * s.shape.group() + g);
      sum +=
          s.output_grams[query_head] * (options.second_order ? s.value_weights[query_head] : 1.0);
    }
    return sum;
  });
  return problem;
}

}  // namespace lowkey::calib
