// The whole model's divergence: that of the cache, and its gradient.
#include "calib/learn/model_loss.h"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <cmath>

#include "calib/calibrate.h"
#include "calib/learn/stiefel.h"
#include "calib/tap/probe.h"
#include "tests/calib/random_matrix.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::calib {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
constexpr int kChunk = 48;
constexpr ExactTokens kExact{2, 4};

class ModelLossTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    engine_ = testing::exact_tiny_engine(64, 2);
    tokens_ = testing::random_tokens(12 * kChunk, 64, 5);
    CalibrateOptions options;
    options.n_chunk = kChunk;
    options.n_sinks = kExact.n_sinks;
    options.window = kExact.window;
    options.centring = "mean";
    options.n_positions = kChunk;
    options.keep = 0.5;
    options.measure_sensitivity = false;
    auto made = calibrate(*engine_, tokens_, options);
    ASSERT_TRUE(made.ok()) << made.error().message();
    file_ = std::move(made->file);
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static LearnedBasis basis_of(const models::HeadBasis& head) {
    const int d = head.d();
    LearnedBasis out;
    out.encoder = Eigen::Map<const RowMajor>(head.encoder.data(), d, d).cast<double>();
    out.decoder = out.encoder.inverse();
    out.mean = Eigen::Map<const Eigen::VectorXf>(head.mean.data(), d).cast<double>();
    out.covariance = Matrix::Identity(d, d);
    out.stretch = Vector::Ones(d);
    return out;
  }

  static Result<ModelLoss> loss() {
    ModelLossOptions options;
    options.n_chunk = kChunk;
    options.n_positions = kChunk;
    options.n_texts = 12;
    options.stride = 1;
    options.exact = kExact;
    return ModelLoss::create(*engine_, tokens_, std::vector<KeyFrame>(file_.layers.size()),
                             options);
  }

  static void bases(std::vector<LayerBases>& bases, std::vector<LayerWidths>& widths) {
    for (const models::LayerBasis& layer : file_.layers) {
      bases.emplace_back();
      widths.emplace_back();
      for (const auto& head : layer.k.heads) bases.back().k.push_back(basis_of(head));
      for (const auto& head : layer.v.heads) bases.back().v.push_back(basis_of(head));
      for (const auto& head : layer.k.heads) widths.back().k.push_back(head.widths);
      for (const auto& head : layer.v.heads) widths.back().v.push_back(head.widths);
    }
  }

  static inline std::unique_ptr<engine::Engine> engine_;
  static inline std::vector<int32_t> tokens_;
  static inline models::BasisFile file_;
};

TEST_F(ModelLossTest, EqualsTheDivergenceOfTheSimulatedCache) {
  const auto own = loss();
  ASSERT_TRUE(own.ok()) << own.error().message();
  std::vector<LayerBases> code;
  std::vector<LayerWidths> widths;
  bases(code, widths);
  const auto probe = Probe::prepare(*engine_, std::span(tokens_).first(kChunk),
                                    {kChunk, 1, kExact.n_sinks, kExact.window});
  ASSERT_TRUE(probe.ok());
  const auto wanted = probe->divergence(
      0, simulated_code(*engine_, std::make_shared<const models::BasisFile>(file_)));
  ASSERT_TRUE(wanted.ok());
  EXPECT_GT(wanted->mean, 1e-5);
  // The cache keeps ranks in bf16, 8 bits of which are an error of a thousandth.
  EXPECT_NEAR((*own)(0, code, widths), wanted->mean, 0.03 * wanted->mean);
}

TEST_F(ModelLossTest, GradientEqualsDifferences) {
  const auto own = loss();
  ASSERT_TRUE(own.ok());
  std::vector<LayerBases> code;
  std::vector<LayerWidths> widths;
  bases(code, widths);
  const int d = file_.head_dim;
  for (size_t l = 0; l < code.size(); ++l) {
    for (const bool keys : {true, false}) {
      auto gradient = own->zero_gradient();
      (*own)(1, code, widths, &gradient, 2.0);
      const auto side = [&](std::vector<LayerBases>& b) -> LearnedBasis& {
        return keys ? b[l].k[0] : b[l].v[0];
      };
      const auto& g = keys ? gradient[l].k[0] : gradient[l].v[0];
      // Along the gradient, or float's rounding would drown the difference.
      const LearnedBasis& basis = side(code);
      const Matrix turn =
          skew(basis.decoder.transpose() * g.decoder - g.encoder * basis.encoder.transpose());
      ASSERT_GT(turn.norm(), 0);
      const Matrix x = turn / turn.norm();
      const auto moved = [&](double h) {
        auto copy = code;
        side(copy).encoder = cayley(-h * x) * basis.encoder;
        side(copy).decoder = basis.decoder * cayley(h * x);
        return (*own)(1, copy, widths);
      };
      const double h = 0.05, slope = 2.0 *
                                     (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) /
                                     (12 * h);
      EXPECT_NEAR(turn.norm(), slope, 0.02 * slope + 1e-6) << l << keys << d;
    }
  }
}

}  // namespace
}  // namespace lowkey::calib
