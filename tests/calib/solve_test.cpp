#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "calib/solve/svd.h"
#include "calib/solve/symmetric.h"

namespace lowkey::calib {
namespace {

Matrix random_matrix(int n, unsigned seed) {
  std::srand(seed);
  return Matrix::Random(n, n);
}

class SolveTest : public ::testing::TestWithParam<int> {};

TEST_P(SolveTest, SymmetricEigenvaluesFallAndRebuildTheMatrix) {
  const Matrix r = random_matrix(GetParam(), 1), a = r + r.transpose();
  const auto eigen = solve_symmetric(a);
  ASSERT_TRUE(eigen.ok());
  const Matrix rebuilt = eigen->vectors * eigen->values.asDiagonal() * eigen->vectors.transpose();
  EXPECT_LT((rebuilt - a).norm(), 1e-12 * (1 + a.norm()));
  EXPECT_LT(eigen->residual, 1e-12);
  EXPECT_LT(eigen->orthonormality, 1e-12 * GetParam());
  for (int i = 1; i < GetParam(); ++i) EXPECT_GE(eigen->values(i - 1), eigen->values(i));
  for (int i = 0; i < GetParam(); ++i) {
    EXPECT_EQ(eigen->vectors.col(i).maxCoeff(), eigen->vectors.col(i).cwiseAbs().maxCoeff());
  }
}

TEST_P(SolveTest, RootTimesRootIsTheMatrixAndInverseUndoesIt) {
  const int n = GetParam();
  const Matrix r = random_matrix(n, 2), a = r * r.transpose() + 0.1 * Matrix::Identity(n, n);
  const auto root = matrix_root(a);
  ASSERT_TRUE(root.ok());
  EXPECT_LT((root->root * root->root - a).norm(), 1e-12 * a.norm());
  EXPECT_LT((root->root * root->inverse - Matrix::Identity(n, n)).norm(), 1e-10 * n);
  EXPECT_LT(root->residual, 1e-12);
}

TEST_P(SolveTest, SingularValuesRebuildTheMatrix) {
  const Matrix a = random_matrix(GetParam(), 3);
  const auto svd = solve_svd(a);
  ASSERT_TRUE(svd.ok());
  const Matrix rebuilt = svd->left * svd->values.asDiagonal() * svd->right.transpose();
  EXPECT_LT((rebuilt - a).norm(), 1e-12 * (1 + a.norm()));
  EXPECT_LT(svd->residual, 1e-12);
  EXPECT_LT(svd->orthonormality, 1e-12 * GetParam());
}

INSTANTIATE_TEST_SUITE_P(Sizes, SolveTest, ::testing::Values(1, 2, 3, 16, 64, 192));

TEST(RootTest, SingularMatrixKeepsAFiniteInverse) {
  const Vector v = Vector::LinSpaced(8, 1, 2);
  const auto root = matrix_root(v * v.transpose(), 1e-8);
  ASSERT_TRUE(root.ok());
  EXPECT_TRUE(root->inverse.allFinite());
  EXPECT_LT((root->root * root->inverse - Matrix::Identity(8, 8)).norm(), 1e-6);
  EXPECT_LT(root->residual, 1e-7);
}

TEST(RootTest, ZeroMatrixActsAsIdentity) {
  const auto root = matrix_root(Matrix::Zero(4, 4));
  ASSERT_TRUE(root.ok());
  EXPECT_LT((root->inverse - Matrix::Identity(4, 4)).norm(), 1e-12);
}

TEST(SolveRefusalTest, NamesWhatIsWrong) {
  Matrix a = Matrix::Identity(3, 3);
  a(1, 1) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(solve_symmetric(a).error().what.find("finite"), std::string::npos);
  EXPECT_FALSE(matrix_root(a).ok());
  EXPECT_FALSE(solve_svd(a).ok());
  EXPECT_NE(solve_symmetric(Matrix::Zero(2, 3)).error().what.find("2 x 3"), std::string::npos);
  EXPECT_FALSE(solve_svd(Matrix::Zero(0, 0)).ok());
}

}  // namespace
}  // namespace lowkey::calib
