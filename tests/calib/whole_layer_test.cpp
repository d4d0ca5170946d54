// A layer from residual stream to residual stream: gradients against differences, in double.
#include "calib/learn/whole_layer.h"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <algorithm>
#include <cmath>

#include "tests/calib/random_layer.h"

namespace lowkey::calib {
namespace {

using testing::kEmbd;
using testing::kShape;
using testing::kTokens;
using testing::random_layer;
using testing::random_matrix;
using testing::slope_along;

constexpr ExactTokens kExact{1, 3};

/// `extras`: biases and norms of heads.
WholeLayer<double> layer(bool extras, bool neighbours) {
  ProjectionMatrices<double> p;
  p.qkv = random_matrix(48, kEmbd, 6) * 0.5;
  p.qkv_t = p.qkv.transpose();
  p.attn_norm = random_matrix(kEmbd, 1, 7).cwiseAbs();
  if (extras) {
    p.bias = random_matrix(48, 1, 8);
    p.q_norm = random_matrix(6, 1, 9).cwiseAbs();
    p.k_norm = random_matrix(6, 1, 10).cwiseAbs();
  }
  return {std::move(p), LayerModel<double>(random_layer(), kShape, kExact), {4, neighbours, 0}};
}

Rows<double> phases() {
  Rows<double> out(kTokens, 4);
  for (int n = 0; n < kTokens; ++n) {
    for (int i = 0; i < 2; ++i) {
      const double angle = (n + 5) * (i == 0 ? 1.0 : 0.3);
      out(n, i) = std::cos(angle);
      out(n, 2 + i) = std::sin(angle);
    }
  }
  return out;
}

LayerBases bases() {
  LayerBases out;
  for (unsigned i = 0; i < 4; ++i) {
    LearnedBasis basis;
    basis.encoder = Matrix::Identity(6, 6) + 0.2 * Matrix(random_matrix(6, 6, 20 + i));
    basis.decoder = basis.encoder.inverse();
    basis.mean = Vector(random_matrix(6, 1, 30 + i)) * 0.3;
    const Matrix root = random_matrix(6, 6, 40 + i);
    basis.covariance = root * root.transpose();
    basis.stretch = Vector::Ones(6);
    (i % 2 == 0 ? out.k : out.v).push_back(basis);
  }
  return out;
}

LayerWidths widths() {
  const std::vector<uint8_t> one = {16, 4, 3, 2, 1, 0}, other = {16, 16, 16, 0, 0, 0};
  return {{one, other}, {other, one}};
}

struct Case {
  bool extras, neighbours, pre_rope, means;
};

class WholeLayerTest : public ::testing::TestWithParam<Case> {};

TEST_P(WholeLayerTest, GradientsEqualDifferences) {
  const Case c = GetParam();
  const auto model = layer(c.extras, c.neighbours);
  const Rows<double> turns = phases(), x = random_matrix(kTokens, kEmbd, 11);
  const Rows<double> pull = random_matrix(kTokens, kEmbd, 12);
  LayerBases code_bases = bases();
  const LayerWidths code_widths = widths();
  KeyFrame frame{c.pre_rope, {}};
  if (c.means)
    frame.turned_means = {Vector(random_matrix(6, 1, 50)), Vector(random_matrix(6, 1, 51))};
  const LayerCode code{&code_bases, &code_widths, &frame};
  WholeLayerTape<double> tape;
  model.forward(x, turns, code, tape);
  LayerGradient gradient = LayerGradient::zero(2, 6);
  const Rows<double> d_x = model.backward(turns, code, tape, pull, gradient);
  const auto loss = [&](const Rows<double>& input, const LayerBases& own) {
    WholeLayerTape<double> frozen = tape;
    return pull
        .cwiseProduct(model.forward(input, turns, {&own, &code_widths, &frame}, frozen, true))
        .sum();
  };
  const auto expect_near = [](double found, double wanted) {
    EXPECT_NEAR(found, wanted, 1e-6 * std::max(1.0, std::abs(wanted)));
    EXPECT_GT(std::abs(wanted), 1e-6);
  };
  for (unsigned seed = 60; seed < 63; ++seed) {
    const Rows<double> along = random_matrix(kTokens, kEmbd, seed);
    expect_near(d_x.cwiseProduct(along).sum(),
                slope_along(
                    x, along, [&](const Rows<double>& m) { return loss(m, code_bases); }, 1e-4));
    for (const bool keys : {true, false}) {
      const Matrix turn = random_matrix(6, 6, seed + 10);
      const auto side = [&](LayerBases& b) -> LearnedBasis& { return keys ? b.k[1] : b.v[1]; };
      const auto& own = keys ? gradient.k[1] : gradient.v[1];
      const auto moved = [&](const Matrix& encoder) {
        LayerBases copy = code_bases;
        side(copy).encoder = encoder;
        return loss(x, copy);
      };
      expect_near(own.encoder.cwiseProduct(turn).sum(),
                  slope_along(side(code_bases).encoder, turn, moved, 1e-4));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Frames, WholeLayerTest,
                         ::testing::Values(Case{false, false, false, false},
                                           Case{true, false, false, true},
                                           Case{true, true, true, false},
                                           Case{false, true, false, true}));

}  // namespace
}  // namespace lowkey::calib
