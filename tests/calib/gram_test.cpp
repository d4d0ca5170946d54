#include "calib/gram.h"

#include <gtest/gtest.h>

#include "tests/calib/random_rows.h"

namespace lowkey::calib {
namespace {

using testing::as_matrix;
using testing::random_rows;

class GramTest : public ::testing::TestWithParam<int64_t> {};

TEST_P(GramTest, EqualsTheExplicitSums) {
  const int64_t n = GetParam();
  const int d = 7;
  const auto rows = random_rows(n, d + 2, 1);
  const MatrixView<const float> x{rows.data() + 1, n, d, d + 2};  // a strided part of wider rows
  std::vector<float> w(static_cast<size_t>(n));
  for (size_t i = 0; i < w.size(); ++i) w[i] = float(i % 5) * 0.25f;
  Gram plain(d), weighted(d);
  plain.accumulate(x);
  weighted.accumulate(x, w);

  const Matrix explicit_rows = as_matrix(x);
  const Vector weights = Eigen::Map<const Eigen::VectorXf>(w.data(), n).cast<double>();
  const Matrix moment = explicit_rows.transpose() * explicit_rows / double(n);
  const double scale = moment.norm();
  EXPECT_LT((plain.moment() - moment).norm(), 1e-13 * scale);
  EXPECT_LT((plain.mean() - explicit_rows.colwise().mean().transpose()).norm(), 1e-13 * scale);
  const Matrix centred = explicit_rows.rowwise() - explicit_rows.colwise().mean();
  EXPECT_LT((plain.covariance() - centred.transpose() * centred / double(n)).norm(), 1e-12 * scale);
  if (weights.sum() == 0) return;
  const Matrix expected =
      explicit_rows.transpose() * weights.asDiagonal() * explicit_rows / weights.sum();
  EXPECT_LT((weighted.moment() - expected).norm(), 1e-13 * (expected.norm() + scale));
  EXPECT_DOUBLE_EQ(weighted.weight(), weights.sum());
}

INSTANTIATE_TEST_SUITE_P(Lengths, GramTest, ::testing::Values(1, 2, 127, 128, 129, 1000));

TEST(GramMergeTest, IsTheSumOfBothPartsBitForBit) {
  const int d = 5;
  const auto rows = random_rows(300, d, 2);
  const auto first = matrix(rows.data(), 100, d);
  const auto second = matrix(rows.data() + 100 * d, 200, d);
  Gram merged(d), other(d), again(d), again_other(d);
  merged.accumulate(first);
  other.accumulate(second);
  merged.merge(other);
  again.accumulate(first);
  again_other.accumulate(second);
  again.merge(again_other);
  EXPECT_EQ(merged.moment(), again.moment());
  Gram whole(d);
  whole.accumulate(matrix(rows.data(), 300, d));
  EXPECT_LT((whole.moment() - merged.moment()).norm(), 1e-13 * whole.moment().norm());
  EXPECT_EQ(merged.weight(), 300);
}

TEST(GramEmptyTest, HasZeroMoments) {
  const Gram gram(3);
  EXPECT_EQ(gram.moment().norm(), 0);
  EXPECT_EQ(gram.mean().norm(), 0);
}

}  // namespace
}  // namespace lowkey::calib
