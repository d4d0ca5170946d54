#include "calib/problem.h"

#include <gtest/gtest.h>

#include "tests/calib/layer_sample.h"

namespace lowkey::calib {
namespace {

using testing::as_matrix;
using testing::LayerSample;

constexpr int kDim = LayerSample::kHeadDim, kTokens = LayerSample::kTokens;

Matrix head_rows(MatrixView<const float> x, int head) {
  return as_matrix(x).middleCols(head * kDim, kDim);
}

Matrix moment(const Matrix& rows) { return rows.transpose() * rows / double(rows.rows()); }

TEST(KeyProblemTest, PlainMomentsPerHead) {
  const LayerSample sample(1);
  const auto s = sample.statistics({});
  const Matrix k = head_rows(sample.rows().k, 1);
  const auto problem = key_problem(s, {}, 1);
  ASSERT_TRUE(problem.ok());
  EXPECT_LT((problem->covariance - moment(k)).norm(), 1e-10 * moment(k).norm());
  EXPECT_EQ(problem->mean.norm(), 0);
  const Matrix metric =
      0.5 * (moment(head_rows(sample.rows().q, 2)) + moment(head_rows(sample.rows().q, 3)));
  EXPECT_LT((problem->metric - metric).norm(), 1e-10 * metric.norm());

  ProblemOptions centred;
  centred.centring = Centring::kMean;
  const auto other = key_problem(s, centred, 1);
  ASSERT_TRUE(other.ok());
  const Matrix rest = k.rowwise() - k.colwise().mean();
  EXPECT_LT((other->covariance - moment(rest)).norm(), 1e-10 * moment(k).norm());
  EXPECT_LT((other->mean - k.colwise().mean().transpose()).norm(), 1e-10);
}

class RotaryTest : public ::testing::TestWithParam<bool> {};

/// R_n mu for a head of which 4 coordinates turn in two pairs.
Vector turn(const Vector& mu, const float* phase, bool neighbours) {
  Vector out = mu;
  for (int i = 0; i < 2; ++i) {
    const int a = neighbours ? 2 * i : i, b = neighbours ? 2 * i + 1 : i + 2;
    const double cosine = phase[i], sine = phase[2 + i];
    out(a) = cosine * mu(a) - sine * mu(b);
    out(b) = sine * mu(a) + cosine * mu(b);
  }
  return out;
}

TEST_P(RotaryTest, OnePassCentringEqualsExplicitSubtraction) {
  const bool neighbours = GetParam();
  const LayerSample sample(2);
  StatisticsPlan plan;
  plan.rotary = true;
  const auto s = sample.statistics(plan);
  ProblemOptions options;
  options.centring = Centring::kRotary;
  options.rotary = {4, neighbours};
  const auto problem = key_problem(s, options, 0);
  ASSERT_TRUE(problem.ok());

  const Matrix k = head_rows(sample.rows().k, 0);
  Vector mu = Vector::Zero(kDim);
  for (int n = 0; n < kTokens; ++n) {
    std::vector<float> back(sample.phase.begin() + n * 4, sample.phase.begin() + n * 4 + 4);
    back[2] = -back[2];
    back[3] = -back[3];
    mu += turn(k.row(n).transpose(), back.data(), neighbours) / kTokens;
  }
  Matrix rest = k;
  for (int n = 0; n < kTokens; ++n) {
    rest.row(n) -= turn(mu, sample.phase.data() + n * 4, neighbours).transpose();
  }
  EXPECT_LT((problem->mean - mu).norm(), 1e-6);
  EXPECT_LT((problem->covariance - moment(rest)).norm(), 1e-6 * moment(k).norm());
}

INSTANTIATE_TEST_SUITE_P(PairOrders, RotaryTest, ::testing::Bool());

TEST(ValueProblemTest, MetricIsTheGroupsOutputProjection) {
  const LayerSample sample(3);
  StatisticsPlan plan;
  plan.second_order = true;
  const auto s = sample.statistics(plan);
  const Matrix w_o =
      as_matrix(matrix(sample.w_o.data(), LayerSample::kEmbd, LayerSample::kHeads * kDim));
  const Matrix first = w_o.middleCols(2 * kDim, kDim), second = w_o.middleCols(3 * kDim, kDim);
  const auto plain = value_problem(s, {}, 1);
  ASSERT_TRUE(plain.ok());
  const Matrix both = first.transpose() * first + second.transpose() * second;
  EXPECT_LT((plain->metric - both).norm(), 1e-10 * both.norm());

  ProblemOptions options;
  options.second_order = true;
  const auto weighted = value_problem(s, options, 1);
  ASSERT_TRUE(weighted.ok());
  const Matrix own = 3 * first.transpose() * first + 4 * second.transpose() * second;
  EXPECT_LT((weighted->metric - own).norm(), 1e-10 * own.norm());
  const Matrix v = head_rows(sample.rows().v, 1);
  const Vector w = Eigen::Map<const Eigen::VectorXf>(sample.weights.value.data() + kTokens, kTokens)
                       .cast<double>();
  const Vector mean = v.transpose() * w / w.sum();
  const Matrix centred = v.rowwise() - mean.transpose();
  const Matrix covariance = centred.transpose() * w.asDiagonal() * centred / w.sum();
  EXPECT_LT((weighted->covariance - covariance).norm(), 1e-10 * covariance.norm());
}

TEST(JointProblemTest, CoversAllHeadsWithQueriesBlockByBlock) {
  const LayerSample sample(4);
  StatisticsPlan plan;
  plan.joint = true;
  const auto s = sample.statistics(plan);
  const auto problem = key_problem(s, {}, 0);
  ASSERT_TRUE(problem.ok());
  const Matrix k = as_matrix(sample.rows().k);
  EXPECT_LT((problem->covariance - moment(k)).norm(), 1e-10 * moment(k).norm());
  EXPECT_EQ(problem->metric.topRightCorner(kDim, kDim).norm(), 0);
  const auto alone = key_problem(sample.statistics({}), {}, 1);
  ASSERT_TRUE(alone.ok());
  EXPECT_LT((problem->metric.bottomRightCorner(kDim, kDim) - alone->metric).norm(), 1e-9);
}

TEST(PreRopeProblemTest, AveragesTheMetricOverDistances) {
  const LayerSample sample(5);
  StatisticsPlan plan;
  plan.pre_rope = true;
  ProblemOptions options;
  options.pre_rope = true;
  options.rotary = {4, true};
  const auto s = sample.statistics(plan);
  const auto still = key_problem(s, options, 0);
  options.distances = matrix(sample.phase.data(), 2, 4);
  const auto turned = key_problem(s, options, 0);
  ASSERT_TRUE(still.ok() && turned.ok());
  const Vector e = Vector::LinSpaced(kDim, -1, 2);
  double expected = 0;
  for (int n = 0; n < 2; ++n) {
    const Vector at = turn(e, sample.phase.data() + 4 * n, true);
    expected += at.dot(still->metric * at) / 2;
  }
  EXPECT_NEAR(e.dot(turned->metric * e), expected, 1e-6 * expected);
}

TEST(ProblemRefusalTest, SaysWhatWasNotGathered) {
  const auto s = LayerSample(6).statistics({});
  ProblemOptions options;
  options.second_order = true;
  EXPECT_NE(key_problem(s, options, 0).error().what.find("second-order"), std::string::npos);
  options = {};
  options.pre_rope = true;
  EXPECT_NE(key_problem(s, options, 0).error().what.find("before RoPE"), std::string::npos);
  options = {};
  options.centring = Centring::kRotary;
  EXPECT_NE(key_problem(s, options, 0).error().what.find("phases"), std::string::npos);
  EXPECT_FALSE(value_problem(s, {}, 2).ok());
}

}  // namespace
}  // namespace lowkey::calib
