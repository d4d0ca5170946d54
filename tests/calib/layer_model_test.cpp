// Gradients of the layer against differences, in double; float against double.
#include "calib/learn/layer_model.h"

#include <gtest/gtest.h>

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

constexpr ExactTokens kExact{2, 3};

LayerText<double> text() {
  LayerText<double> t;
  t.positions = {0, 4, 7, 11};
  t.k = random_matrix(kTokens, 12, 6);
  t.v = random_matrix(kTokens, 12, 7);
  t.q = random_matrix(4, 24, 8);
  t.input = random_matrix(4, kEmbd, 9);
  return t;
}

KvRows<double> coded(const LayerText<double>& t) {
  return {t.k + 0.3 * random_matrix(kTokens, 12, 10), t.v + 0.3 * random_matrix(kTokens, 12, 11)};
}

/// Loss whose gradient is `pull` wherever the layer is: sum of pull * output.
double loss(const LayerModel<double>& model, const LayerText<double>& t, const KvRows<double>& c,
            const Rows<double>& pull) {
  LayerTape<double> tape;
  return pull.cwiseProduct(model.forward(t, c, tape)).sum();
}

TEST(LayerModelTest, GradientsEqualDifferences) {
  const LayerModel<double> model(random_layer(), kShape, kExact);
  const auto t = text();
  const auto c = coded(t);
  const Rows<double> pull = random_matrix(4, kEmbd, 12);
  LayerTape<double> tape;
  model.forward(t, c, tape);
  const auto gradient = model.backward(t, c, tape, pull);
  for (unsigned seed = 20; seed < 26; ++seed) {
    const Rows<double> along = random_matrix(kTokens, 12, seed);
    const double k = slope_along(c.k, along, [&](const Rows<double>& x) {
      return loss(model, t, {x, c.v}, pull);
    });
    const double v = slope_along(c.v, along, [&](const Rows<double>& x) {
      return loss(model, t, {c.k, x}, pull);
    });
    EXPECT_NEAR(gradient.k.cwiseProduct(along).sum(), k, 1e-8 * std::max(1.0, std::abs(k)));
    EXPECT_NEAR(gradient.v.cwiseProduct(along).sum(), v, 1e-8 * std::max(1.0, std::abs(v)));
    EXPECT_GT(std::abs(k) + std::abs(v), 1e-3);  // differences of something that changes
  }
}

TEST(LayerModelTest, ExactTokensAreReadAsTheyAre) {
  const LayerModel<double> model(random_layer(), kShape, kExact);
  const auto t = text();
  auto c = coded(t);
  LayerTape<double> tape;
  const Rows<double> before = model.forward(t, c, tape);
  c.k.topRows(2).setConstant(7);  // sinks
  c.v.topRows(2).setConstant(7);
  c.k.bottomRows(3).setConstant(-7);  // the last query's window, and the future of the others
  c.v.bottomRows(3).setConstant(-7);
  EXPECT_EQ((model.forward(t, c, tape) - before).norm(), 0.0);
  const auto gradient = model.backward(t, c, tape, before);
  EXPECT_EQ(gradient.k.topRows(2).norm() + gradient.k.bottomRows(3).norm(), 0.0);
  EXPECT_EQ(gradient.v.topRows(2).norm() + gradient.v.bottomRows(3).norm(), 0.0);
  EXPECT_GT(gradient.k.row(4).norm(), 0.0);
}

template <class T>
Rows<float> narrow(const T& x) {
  return x.template cast<float>();
}

TEST(LayerModelTest, FloatAgreesWithDouble) {
  auto w = random_layer();
  LayerMatrices<float> w32{
      narrow(w.o), narrow(w.gate),          narrow(w.up), narrow(w.down), {}, {}, {},
      {},          w.ffn_norm.cast<float>()};
  w32.complete();
  const LayerModel<double> exact(w, kShape, kExact);
  const LayerModel<float> model(std::move(w32), kShape, kExact);
  const auto t = text();
  const auto c = coded(t);
  const LayerText<float> t32{narrow(t.k), narrow(t.v), narrow(t.q), narrow(t.input), t.positions};
  const KvRows<float> c32{narrow(c.k), narrow(c.v)};
  LayerTape<double> tape;
  LayerTape<float> tape32;
  const Rows<double> y = exact.forward(t, c, tape);
  const Rows<float> y32 = model.forward(t32, c32, tape32);
  // Seven matrix products in a chain, none of more than 24 terms, each with a relative error of
  // n * eps against the sum of absolute values, which norms of this size bound by a factor of 10.
  const double tolerance = 7 * 24 * 1.2e-7 * 10;
  EXPECT_LT((y32.cast<double>() - y).norm(), tolerance * y.norm());
  const auto g = exact.backward(t, c, tape, y);
  const auto g32 = model.backward(t32, c32, tape32, y32);
  EXPECT_LT((g32.k.cast<double>() - g.k).norm(), 2 * tolerance * g.k.norm());
  EXPECT_LT((g32.v.cast<double>() - g.v).norm(), 2 * tolerance * g.v.norm());
}

}  // namespace
}  // namespace lowkey::calib
