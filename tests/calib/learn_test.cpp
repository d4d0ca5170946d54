// Learning on a tiny model: it helps, keeps what a basis promises, and repeats itself.
#include "calib/learn/learn.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "calib/calibrate.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::calib {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

std::unique_ptr<engine::Engine> engine_of(int n_threads) {
  engine::EngineOptions options;
  options.n_threads = n_threads;
  return testing::tiny_engine({}, options);
}

Result<CalibrateResult> learn(const char* method, double keep, int n_threads, uint64_t seed = 3,
                              int restarts = 1) {
  const auto engine = engine_of(n_threads);
  const auto tokens = testing::random_tokens(6 * 48, engine->config().n_vocab, 5);
  CalibrateOptions options;
  options.method = method;
  options.space = std::string(method) == "stief" ? "pre-rope" : "post-rope";
  options.n_chunk = 48;
  options.n_positions = 256;
  options.n_sinks = 2;
  options.window = 4;
  options.keep = keep;
  options.bits = 2.5;
  options.seed = seed;
  options.restarts = restarts;
  options.n_threads = n_threads;
  options.measure_sensitivity = false;
  return calibrate(*engine, tokens, options);
}

Eigen::MatrixXf matrix_of(const std::vector<float>& m, int d) {
  return Eigen::Map<const RowMajor>(m.data(), d, d);
}

class LearnTest : public ::testing::TestWithParam<const char*> {};

TEST_P(LearnTest, LossOnHeldBackTextsFallsAndTheFileStaysSound) {
  for (const double keep : {0.0, 0.6}) {
    const auto result = learn(GetParam(), keep, 2);
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_LT(result->learned_loss, 0.999);
    EXPECT_TRUE(models::check_basis(result->file, "test").ok());
    for (const auto& layer : result->file.layers) {
      for (const auto* side : {&layer.k, &layer.v}) {
        for (const auto& head : side->heads) {
          const int d = head.d();
          const Eigen::MatrixXf product = matrix_of(head.encoder, d) * matrix_of(head.decoder, d);
          // Rounded to float once each: d products of numbers whose sizes a metric may spread.
          EXPECT_LT((product - Eigen::MatrixXf::Identity(d, d)).norm(), 1e-3f);
        }
      }
    }
  }
}

TEST_P(LearnTest, SameBitsAtAnyThreadCountAndOthersFromAnotherSeed) {
  const auto one = learn(GetParam(), 0.6, 1), two = learn(GetParam(), 0.6, 2);
  const auto other = learn(GetParam(), 0.6, 2, 4);
  ASSERT_TRUE(one.ok() && two.ok() && other.ok());
  EXPECT_EQ(models::serialise_basis(one->file).value(), models::serialise_basis(two->file).value());
  bool differ = false;
  for (size_t l = 0; l < one->file.layers.size(); ++l) {
    for (size_t h = 0; h < one->file.layers[l].v.heads.size(); ++h) {
      const auto &here = one->file.layers[l].v.heads[h], &there = other->file.layers[l].v.heads[h];
      differ = differ || here.encoder != there.encoder;
    }
  }
  EXPECT_TRUE(differ);
}

INSTANTIATE_TEST_SUITE_P(Methods, LearnTest, ::testing::Values("learned", "end-to-end", "stief"));

TEST(RestartsTest, TheBestTryOfEveryLayerStays) {
  const auto with = [](int restarts, int n_threads, const char* method) {
    return learn(method, 0.6, n_threads, 3, restarts);
  };
  const auto once = with(1, 2, "stief"), often = with(3, 2, "stief"), alone = with(3, 1, "stief");
  ASSERT_TRUE(once.ok() && often.ok() && alone.ok());
  EXPECT_LT(often->learned_loss, once->learned_loss);
  EXPECT_EQ(models::serialise_basis(often->file).value(),
            models::serialise_basis(alone->file).value());
  const auto together = with(2, 1, "end-to-end");
  ASSERT_FALSE(together.ok());
  EXPECT_EQ(together.error().where, "--restarts");
  EXPECT_FALSE(with(0, 1, "stief").ok());
}

TEST(StiefTest, KeysOfALayerShareOneOrthonormalBasis) {
  const auto result = learn("stief", 0.6, 2);
  ASSERT_TRUE(result.ok()) << result.error().message();
  for (const auto& layer : result->file.layers) {
    const int d = layer.k.heads[0].d();
    const auto unit = [&](const models::HeadBasis& head) {
      const Eigen::MatrixXf e = matrix_of(head.encoder, d);
      return Eigen::MatrixXf(e / (e.norm() / std::sqrt(float(d))));
    };
    const Eigen::MatrixXf first = unit(layer.k.heads[0]), second = unit(layer.k.heads[1]);
    EXPECT_LT((first * first.transpose() - Eigen::MatrixXf::Identity(d, d)).norm(), 1e-4f);
    EXPECT_LT((first - second).norm(), 1e-4f);
    const Eigen::MatrixXf v0 = unit(layer.v.heads[0]), v1 = unit(layer.v.heads[1]);
    EXPECT_LT((v1 * v1.transpose() - Eigen::MatrixXf::Identity(d, d)).norm(), 1e-4f);
    EXPECT_GT((v0 - v1).norm(), 0.1f);
  }
}

// Ranks go where the model's output suffers most: the file says what each side costs.
TEST(RankOnlyTest, RanksFollowMeasuredDivergences) {
  const auto engine = engine_of(1);
  const auto tokens = testing::random_tokens(6 * 48, engine->config().n_vocab, 5);
  CalibrateOptions options;
  options.method = "kq-svd";
  options.n_chunk = 48;
  options.n_sinks = 2;
  options.window = 4;
  options.keep = 0.5;
  const auto measured = calibrate(*engine, tokens, options);
  ASSERT_TRUE(measured.ok()) << measured.error().message();
  options.measure_sensitivity = false;
  const auto shares = calibrate(*engine, tokens, options);
  ASSERT_TRUE(shares.ok());
  EXPECT_NEAR(measured->file.bits_per_element, 8.0, 0.5);
  EXPECT_NEAR(shares->file.bits_per_element, 8.0, 0.5);
  double largest = 0, smallest = 1e30;
  for (size_t l = 0; l < measured->file.layers.size(); ++l) {
    for (const bool keys : {true, false}) {
      const auto& own = keys ? measured->file.layers[l].k : measured->file.layers[l].v;
      const auto& share = keys ? shares->file.layers[l].k : shares->file.layers[l].v;
      largest = std::max(largest, own.sensitivity / share.sensitivity);
      smallest = std::min(smallest, own.sensitivity / share.sensitivity);
    }
  }
  EXPECT_GT(largest, 1.5 * smallest) << "sides of a model do not all cost the same";
}

TEST(LearnErrorsTest, TooFewTextsAndJointBasesAreRefused) {
  const auto engine = engine_of(1);
  const auto tokens = testing::random_tokens(48, engine->config().n_vocab, 5);
  CalibrateOptions options;
  options.method = "learned";
  options.n_chunk = 48;
  options.keep = 0.5;
  options.n_sinks = 2;
  options.window = 4;
  EXPECT_FALSE(calibrate(*engine, tokens, options).ok());
  const auto enough = testing::random_tokens(96, engine->config().n_vocab, 5);
  EXPECT_TRUE(calibrate(*engine, enough, options).ok());
  options.joint = true;
  EXPECT_FALSE(calibrate(*engine, enough, options).ok());
}

}  // namespace
}  // namespace lowkey::calib
