// Learned bases stay only where the model's output is better for them.
#include "calib/learn/accept.h"

#include <gtest/gtest.h>

#include <cmath>

#include "calib/calibrate.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::calib {
namespace {

class AcceptTest : public ::testing::Test {
 protected:
  void SetUp() override {
    engine_ = testing::tiny_engine({}, {});
    const auto tokens = testing::random_tokens(6 * 48, engine_->config().n_vocab, 5);
    held_ = testing::random_tokens(2 * 48, engine_->config().n_vocab, 6);
    CalibrateOptions options;
    options.n_chunk = 48;
    options.n_sinks = 2;
    options.window = 4;
    options.bits = 2.0;
    options.measure_sensitivity = false;
    auto made = calibrate(*engine_, tokens, options);
    ASSERT_TRUE(made.ok()) << made.error().message();
    good_ = std::move(made->file);
    bad_ = good_;
    for (models::LayerBasis& layer : bad_.layers) {
      for (models::SideBasis* side : {&layer.k, &layer.v}) {
        for (models::HeadBasis& head : side->heads) {  // steps that are far too coarse
          for (float& variance : head.variances) variance *= 100.0f;
          for (float& step : head.steps) step *= 10.0f;
        }
      }
    }
  }

  Result<Acceptance> accept(const models::BasisFile& start, models::BasisFile& learned) {
    std::vector<models::BasisFile> plans = {start, start};
    EXPECT_TRUE(reallocate(plans[1], 3.0).ok());
    return accept_learned(*engine_, held_, {48, 1, 2, 4}, plans, learned);
  }

  std::unique_ptr<engine::Engine> engine_;
  std::vector<int32_t> held_;
  models::BasisFile good_, bad_;
};

TEST_F(AcceptTest, WorseBasesGoBack) {
  models::BasisFile learned = bad_;
  const auto result = accept(good_, learned);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_FALSE(result->kept);
  EXPECT_GT(result->kld_after, result->kld_before);
  EXPECT_EQ(models::serialise_basis(learned).value(), models::serialise_basis(good_).value());
}

TEST_F(AcceptTest, BetterBasesStay) {
  models::BasisFile learned = good_;
  const auto result = accept(bad_, learned);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->kept);
  EXPECT_LT(result->kld_after, result->kld_before);
  EXPECT_EQ(models::serialise_basis(learned).value(), models::serialise_basis(good_).value());
}

}  // namespace
}  // namespace lowkey::calib
