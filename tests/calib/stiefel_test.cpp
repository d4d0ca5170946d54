#include "calib/learn/stiefel.h"

#include <gtest/gtest.h>

#include <cmath>

#include "calib/learn/adam.h"
#include "tests/calib/random_matrix.h"

namespace lowkey::calib {
namespace {

using testing::random_matrix;
using testing::slope_along;

TEST(StiefelTest, CayleyOfASkewMatrixIsOrthonormal) {
  const Matrix x = skew(random_matrix(8, 8, 1));
  EXPECT_LT((x + x.transpose()).norm(), 1e-14);
  EXPECT_LT(orthonormality_error(cayley(x)), 1e-12);
  // A retraction: the step it takes is the tangent to first order.
  EXPECT_LT((cayley(1e-6 * x) - Matrix::Identity(8, 8) - 1e-6 * x).norm(), 1e-10 * x.norm());
}

TEST(StiefelTest, CayleyOfMinusXIsTheInverse) {
  const Matrix x = 0.1 * Matrix(random_matrix(8, 8, 2));
  EXPECT_LT((cayley(x) * cayley(-x) - Matrix::Identity(8, 8)).norm(), 1e-12);
}

TEST(StiefelTest, QrHasAPositiveDiagonalAndMultipliesBack) {
  const Matrix a = random_matrix(7, 7, 3);
  const QrFactors f = qr(a);
  EXPECT_LT(orthonormality_error(f.q), 1e-12);
  EXPECT_LT((f.q * f.r - a).norm(), 1e-12 * a.norm());
  EXPECT_GT(f.r.diagonal().minCoeff(), 0.0);
}

TEST(StiefelTest, GradientOfQrEqualsDifferences) {
  const Matrix a = random_matrix(6, 6, 4), pull = random_matrix(6, 6, 5);
  const Matrix gradient = qr_backward(qr(a), pull);
  for (unsigned seed = 10; seed < 16; ++seed) {
    const Matrix along = random_matrix(6, 6, seed);
    const double slope = slope_along(
        a, along, [&](const Matrix& x) { return pull.cwiseProduct(qr(x).q).sum(); }, 1e-4);
    EXPECT_NEAR(gradient.cwiseProduct(along).sum(), slope, 1e-7 * std::max(1.0, std::abs(slope)));
  }
}

TEST(AdamTest, FindsTheFloorOfAValleyWhoseSlopesDiffer) {
  const Matrix target = random_matrix(3, 3, 6);
  Matrix slopes = Matrix::Constant(3, 3, 1.0);
  slopes(0, 0) = 1e4;
  Matrix x = Matrix::Zero(3, 3);
  Adam adam({.rate = 0.05, .n_steps = 600});
  for (int i = 0; i < 600; ++i) {
    adam.begin_step();
    x += adam.update(0, x, slopes.cwiseProduct(x - target));
  }
  EXPECT_LT((x - target).norm(), 1e-2);
}

TEST(AdamTest, DecayPullsTowardsZeroWhateverTheGradient) {
  const Matrix x = Matrix::Constant(2, 2, 4.0);
  Adam adam({.rate = 0.1, .weight_decay = 0.5});
  adam.begin_step();
  EXPECT_LT((adam.update(0, x, Matrix::Zero(2, 2)) + Matrix::Constant(2, 2, 0.2)).norm(), 1e-12);
}

}  // namespace
}  // namespace lowkey::calib
