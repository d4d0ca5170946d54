// Every method against its definition, on explicit matrices small enough for a full SVD.
#include <gtest/gtest.h>

#include <Eigen/SVD>
#include <cmath>

#include "calib/objective/method.h"
#include "tests/calib/random_rows.h"

namespace lowkey::calib {
namespace {

using testing::as_matrix;
using testing::random_rows;

constexpr int kDim = 8, kKeys = 60, kQueries = 45;

/// Explicit keys [n_keys, d] and queries [n_queries, d], and the problem of their moments.
struct Sample {
  Matrix keys, queries;
  Problem problem;
};

Sample make_sample(unsigned seed) {
  Sample s;
  const auto k = random_rows(kKeys, kDim, seed), q = random_rows(kQueries, kDim, seed + 100);
  s.keys = as_matrix(matrix(k.data(), kKeys, kDim));
  s.queries = as_matrix(matrix(q.data(), kQueries, kDim));
  s.problem.covariance = s.keys.transpose() * s.keys / kKeys;
  s.problem.metric = s.queries.transpose() * s.queries / kQueries;
  s.problem.mean = Vector::Zero(kDim);
  return s;
}

/// sqrt of the sum of squares of all singular values of `a` but the first r.
double tail(const Matrix& a, int r) {
  const Vector values = Eigen::JacobiSVD<Matrix>(a).singularValues();
  return r < values.size() ? values.tail(values.size() - r).norm() : 0.0;
}

/// Keys coded with the first r coordinates.
Matrix truncate(const Matrix& keys, const Basis& basis, int r) {
  return keys * basis.encoder.topRows(r).transpose() * basis.decoder.leftCols(r).transpose();
}

TEST(KqSvdTest, TruncationIsTheBestRankRApproximationOfTheScores) {
  for (unsigned seed : {1u, 2u, 3u}) {
    const Sample s = make_sample(seed);
    const auto basis = solve_kq_svd(s.problem);
    ASSERT_TRUE(basis.ok());
    const Matrix scores = s.keys * s.queries.transpose();
    for (int r = 0; r <= kDim; ++r) {
      const Matrix coded = truncate(s.keys, *basis, r) * s.queries.transpose();
      EXPECT_NEAR((scores - coded).norm(), tail(scores, r), 1e-8 * scores.norm()) << "rank " << r;
    }
  }
}

TEST(KqSvdTest, VariancesAreTheErrorsOfDroppingCoordinates) {
  const Sample s = make_sample(4);
  const auto basis = solve_kq_svd(s.problem);
  ASSERT_TRUE(basis.ok());
  const Matrix scores = s.keys * s.queries.transpose();
  EXPECT_LT((basis->costs - Vector::Ones(kDim)).norm(), 1e-8);
  for (int r = 0; r < kDim; ++r) {
    const double error = std::pow(tail(scores, r), 2) / kKeys / kQueries;
    EXPECT_NEAR(basis->variances.tail(kDim - r).sum(), error, 1e-9 * basis->variances.sum());
  }
}

TEST(KSvdTest, TruncationIsTheBestRankRApproximationOfTheKeys) {
  const Sample s = make_sample(5);
  const auto basis = solve_k_svd(s.problem);
  ASSERT_TRUE(basis.ok());
  for (int r = 0; r <= kDim; ++r) {
    EXPECT_NEAR((s.keys - truncate(s.keys, *basis, r)).norm(), tail(s.keys, r),
                1e-9 * s.keys.norm());
  }
}

TEST(EigenTest, SpansThePrincipalComponentsOfKeysAndQueriesTogether) {
  const Sample s = make_sample(6);
  const auto basis = solve_eigen(s.problem);
  ASSERT_TRUE(basis.ok());
  Matrix stacked(kKeys + kQueries, kDim);
  stacked << s.keys / s.keys.norm(), s.queries / s.queries.norm();
  for (int r = 0; r <= kDim; ++r) {
    EXPECT_NEAR((stacked - truncate(stacked, *basis, r)).norm(), tail(stacked, r), 1e-9);
  }
}

TEST(EigenTest, ValuesIgnoreTheMetric) {
  Sample s = make_sample(7);
  s.problem.side = Side::kValues;
  const auto eigen = solve_eigen(s.problem), pca = solve_k_svd(s.problem);
  ASSERT_TRUE(eigen.ok() && pca.ok());
  EXPECT_LT((eigen->encoder - pca->encoder).norm(), 1e-6);
}

TEST(HadamardTest, SpreadsEveryVectorEvenly) {
  const Sample s = make_sample(8);
  const auto basis = solve_hadamard(s.problem);
  ASSERT_TRUE(basis.ok());
  EXPECT_LT((basis->encoder.cwiseAbs().array() - std::sqrt(1.0 / kDim)).abs().maxCoeff(), 1e-12);
  EXPECT_NEAR(basis->variances.sum(), s.problem.covariance.trace(), 1e-9);
}

TEST(HadamardTest, RefusesSizesThatAreNoPowerOfTwo) {
  Problem problem;
  problem.covariance = Matrix::Identity(6, 6);
  problem.metric = problem.covariance;
  const auto basis = solve_hadamard(problem);
  ASSERT_FALSE(basis.ok());
  EXPECT_NE(basis.error().what.find("found 6"), std::string::npos);
}

TEST(MethodsTest, EncoderAndDecoderUndoEachOtherAndFiguresAreSmall) {
  for (const Method& method : all_methods()) {
    const Sample s = make_sample(9);
    const auto basis = method.solve(s.problem);
    ASSERT_TRUE(basis.ok()) << method.name;
    EXPECT_LT((basis->encoder * basis->decoder - Matrix::Identity(kDim, kDim)).norm(), 1e-8)
        << method.name;
    EXPECT_LT(basis->biorthogonality, 1e-8) << method.name;
    EXPECT_LT(basis->residual, 1e-10) << method.name;
    EXPECT_LT(basis->orthonormality, 1e-10) << method.name;
    EXPECT_TRUE((basis->variances.array() >= 0).all()) << method.name;
  }
}

TEST(MethodsTest, SurviveKeysAndQueriesWithoutFullRank) {
  Sample s = make_sample(10);
  s.problem.covariance = s.keys.topRows(3).transpose() * s.keys.topRows(3);
  s.problem.metric = s.queries.topRows(2).transpose() * s.queries.topRows(2);
  for (const Method& method : all_methods()) {
    const auto basis = method.solve(s.problem);
    ASSERT_TRUE(basis.ok()) << method.name;
    EXPECT_TRUE(basis->encoder.allFinite() && basis->decoder.allFinite()) << method.name;
    EXPECT_LT(basis->biorthogonality, 1e-3) << method.name;
  }
}

TEST(MethodsTest, AreFoundByName) {
  for (const Method& method : all_methods()) EXPECT_EQ(find_method(method.name).value(), &method);
  const auto unknown = find_method("pca");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().what.find("kq-svd"), std::string::npos);
}

}  // namespace
}  // namespace lowkey::calib
