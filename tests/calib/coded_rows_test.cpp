// The differentiable code: its gradients, and that it rounds as the cache does.
#include "calib/learn/coded_rows.h"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <algorithm>
#include <array>
#include <cmath>

#include "calib/allocate/gaussian.h"
#include "simd/latent_tile.h"
#include "tests/calib/random_matrix.h"

namespace lowkey::calib {
namespace {

using testing::random_matrix;
using testing::slope_along;

constexpr std::array<uint8_t, 6> kWidths = {16, 4, 4, 2, 1, 0};

LearnedBasis sample_basis() {
  LearnedBasis basis;
  basis.encoder = Matrix::Identity(6, 6) + 0.3 * Matrix(random_matrix(6, 6, 1));
  basis.decoder = basis.encoder.inverse();
  basis.mean = Vector(random_matrix(6, 1, 2));
  const Matrix root = random_matrix(6, 6, 3);
  basis.covariance = root * root.transpose();
  basis.stretch = Vector(random_matrix(6, 1, 7)).cwiseAbs() * 0.3 + Vector::Ones(6);
  return basis;
}

TEST(CodedRowsTest, GradientsEqualDifferencesWhileRoundingIsFrozen) {
  const LearnedBasis basis = sample_basis();
  const Rows<double> x = random_matrix(60, 6, 4) * 5.0, pull = random_matrix(60, 6, 5);
  CodeTape<double> tape;
  code_rows<double>(basis, kWidths, x, tape);
  EXPECT_GT(tape.residues.norm(), 0.1);
  const auto gradient = code_backward<double>(basis, kWidths, tape, pull);
  EXPECT_GE(std::ranges::count(tape.widest, -1), 1);
  EXPECT_LE(std::ranges::count(tape.widest, -1), 59);
  const auto loss = [&](const Matrix& encoder, const Matrix& decoder, const Vector& stretch) {
    LearnedBasis moved = basis;
    moved.encoder = encoder;
    moved.decoder = decoder;
    moved.stretch = stretch.array().exp();
    CodeTape<double> own = tape;
    return pull.cwiseProduct(code_rows<double>(moved, kWidths, x, own, true)).sum();
  };
  const Vector stretch = basis.stretch.array().log();
  for (unsigned seed = 10; seed < 16; ++seed) {
    const Matrix along = random_matrix(6, 6, seed);
    const double e = slope_along(
        basis.encoder, along, [&](const Matrix& m) { return loss(m, basis.decoder, stretch); },
        1e-4);
    const double d = slope_along(
        basis.decoder, along, [&](const Matrix& m) { return loss(basis.encoder, m, stretch); },
        1e-4);
    const Vector stretching = random_matrix(6, 1, seed + 50);
    const double s = slope_along(
        stretch, stretching, [&](const Vector& m) { return loss(basis.encoder, basis.decoder, m); },
        1e-4);
    EXPECT_NEAR(gradient.stretch.dot(stretching), s, 1e-7 * std::max(1.0, std::abs(s)));
    EXPECT_NEAR(gradient.encoder.cwiseProduct(along).sum(), e, 1e-7 * std::max(1.0, std::abs(e)));
    EXPECT_NEAR(gradient.decoder.cwiseProduct(along).sum(), d, 1e-7 * std::max(1.0, std::abs(d)));
  }
}

TEST(CodedRowsTest, RoundsAsTheCacheDoes) {
  const LearnedBasis basis = sample_basis();
  const Rows<double> x = random_matrix(50, 6, 6) * 3.0;
  CodeTape<double> tape;
  code_rows<double>(basis, kWidths, x, tape);
  const Vector deviation = basis.deviations().cwiseProduct(basis.stretch);
  for (Eigen::Index n = 0; n < x.rows(); ++n) {
    const Vector z = basis.encoder * (x.row(n).transpose() - basis.mean);
    EXPECT_NEAR(tape.latents(n, 0), z(0), 1e-12 * std::abs(z(0)) + 1e-12);
    EXPECT_EQ(tape.latents(n, 5), 0.0);
    float ratio = 0;
    for (int i = 1; i < 5; ++i) {
      const double range = kCodeRange * deviation(i);
      ratio = std::max(ratio, float(std::abs(z(i)) / range));
    }
    const double gain = double(simd::latent_gain(simd::latent_gain_code(ratio)));
    for (int i = 1; i < 5; ++i) {
      const double step = step_of_width(kWidths[size_t(i)]) * deviation(i) * gain;
      const double code = tape.latents(n, i) / step - 0.5;
      EXPECT_NEAR(code, std::round(code), 1e-9);
      // On its nearest point, or beyond the last cell, as far as the range goes.
      const int width = kWidths[size_t(i)];
      const double beyond = double(simd::latent_range(width)) - (1 << (width - 1));
      EXPECT_LE(std::abs(tape.latents(n, i) - z(i)), (0.5001 + beyond) * step);
    }
  }
}

}  // namespace
}  // namespace lowkey::calib
