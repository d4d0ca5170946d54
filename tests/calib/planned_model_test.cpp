// Planning with a model at hand: surfaces, marginals and predictions of a tiny one.
#include <gtest/gtest.h>

#include "calib/calibrate.h"
#include "calib/plan.h"
#include "calib/tap/output_error.h"
#include "calib/tap/probe.h"
#include "calib/tap/sensitivity.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::calib {
namespace {

constexpr int kChunk = 64;

std::unique_ptr<engine::Engine> engine_of(int n_threads = 2) {
  engine::EngineOptions options;
  options.n_threads = n_threads;
  return testing::tiny_engine({}, options);
}

CalibrateOptions options_of(const engine::Engine& engine) {
  CalibrateOptions options;
  options.n_chunk = kChunk;
  options.n_positions = 256;
  options.n_sinks = 2;
  options.window = 4;
  options.n_threads = engine.n_threads();
  options.surfaces = true;
  options.held_back = testing::random_tokens(2 * kChunk, engine.config().n_vocab, 9);
  return options;
}

std::vector<int32_t> tokens_of(const engine::Engine& engine) {
  return testing::random_tokens(6 * kChunk, engine.config().n_vocab, 5);
}

class PlannedModelTest : public ::testing::TestWithParam<const char*> {};

TEST_P(PlannedModelTest, ACalibrationByPolicyIsWhatAReallocationGives) {
  const auto engine = engine_of();
  for (const bool rank_only : {false, true}) {
    CalibrateOptions options = options_of(*engine);
    options.policy = GetParam();
    options.rank_only = rank_only;
    options.budget_bits = int64_t(rank_only ? 10 : 3) * 2 * 2 * 2 * 16;
    const auto result = calibrate(*engine, tokens_of(*engine), options);
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_EQ(is_rank_only(result->file), rank_only);
    // The comparison of sensitivities has measured one budget already.
    EXPECT_EQ(result->file.profile.measured_kld.size(), options.policy == "global" ? 3u : 4u);
    auto again = result->file;
    ASSERT_TRUE(plan_widths(again, width_rules(rank_only), options.budget_bits).ok());
    EXPECT_EQ(models::serialise_basis(again).value(),
              models::serialise_basis(result->file).value());
    // The file carries all of it.
    const auto read = models::parse_basis(models::serialise_basis(again).value(), "x");
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_EQ(read->profile.surfaces, again.profile.surfaces);
    EXPECT_EQ(read->profile.kld_scale, again.profile.kld_scale);
    EXPECT_EQ(read->policy, GetParam());
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, PlannedModelTest,
                         ::testing::Values("uniform", "v1", "v2", "global"));

TEST(SurfacesTest, FallAlongBothSidesAndAreTheSameAtAnyThreadCount) {
  std::vector<std::string> files;
  for (const int n_threads : {1, 2}) {
    const auto engine = engine_of(n_threads);
    CalibrateOptions options = options_of(*engine);
    options.bits = 3;
    const auto result = calibrate(*engine, tokens_of(*engine), options);
    ASSERT_TRUE(result.ok()) << result.error().message();
    files.push_back(models::serialise_basis(result->file).value());
    const auto n = result->file.profile.levels.size();
    for (const auto& surface : result->file.profile.surfaces) {
      EXPECT_GT(surface[0], 4 * surface[n * n - 1]);
      EXPECT_GT(surface[0], surface[n - 1]);
      EXPECT_GT(surface[0], surface[n * (n - 1)]);
    }
  }
  EXPECT_EQ(files[0], files[1]);
}

TEST(MarginalsTest, AreWhatIsLeftWhenASideIsTakenAway) {
  testing::TinySpec spec;
  spec.n_layers = 1;
  const auto engine = testing::tiny_engine(spec, {});
  const auto tokens = tokens_of(*engine);
  CalibrateOptions calibration = options_of(*engine);
  calibration.bits = 2;
  const auto result = calibrate(*engine, tokens, calibration);
  ASSERT_TRUE(result.ok()) << result.error().message();
  const auto file = std::make_shared<const models::BasisFile>(result->file);
  SensitivityOptions options;
  options.n_chunks = 1;
  options.n_chunk = kChunk;
  options.n_sinks = 2;
  options.window = 4;
  const auto alone = measure_sensitivity(*engine, tokens, file, options);
  const auto marginal = measure_marginals(*engine, tokens, file, options);
  const auto all =
      measure_divergences(*engine, std::span(tokens).first(kChunk), {{file}}, {kChunk, 1, 2, 4});
  ASSERT_TRUE(alone.ok() && marginal.ok() && all.ok());
  EXPECT_NEAR((*marginal)[0][0], (*all)[0].mean - (*alone)[0][1], 1e-9);
  EXPECT_NEAR((*marginal)[0][1], (*all)[0].mean - (*alone)[0][0], 1e-9);
  EXPECT_GT((*all)[0].mean, 0);
}

TEST(CorrectionTest, IsKeptOnlyIfItIsBetterOnTextHeldBack) {
  const auto engine = engine_of();
  CalibrateOptions options = options_of(*engine);
  options.bits = 2.5;
  const auto plain = calibrate(*engine, tokens_of(*engine), options);
  options.correct = true;
  const auto corrected = calibrate(*engine, tokens_of(*engine), options);
  ASSERT_TRUE(plain.ok()) << plain.error().message();
  ASSERT_TRUE(corrected.ok()) << corrected.error().message();
  const Correction& c = corrected->correction;
  EXPECT_GT(c.kld_before, 0);
  EXPECT_EQ(c.kept, c.log_ratio < 0);
  EXPECT_EQ(c.kept, models::serialise_basis(plain->file).value() !=
                        models::serialise_basis(corrected->file).value());
}

TEST(BlendTest, TheBetterOfBothPlansIsKept) {
  const auto engine = engine_of();
  CalibrateOptions options = options_of(*engine);
  options.bits = 2.5;
  const auto with = calibrate(*engine, tokens_of(*engine), options);
  options.surfaces = false;
  const auto without = calibrate(*engine, tokens_of(*engine), options);
  ASSERT_TRUE(with.ok() && without.ok());
  const Correction& blend = with->blend;
  EXPECT_GT(blend.kld_before, 0);
  EXPECT_EQ(blend.kept, blend.log_ratio < 0);
  const double plain = without->file.layers[0].k.sensitivity;
  EXPECT_EQ(blend.kept, with->file.layers[0].k.sensitivity != plain);
}

TEST(MaxKldTest, GivesFewerBitsToThoseWhoAllowMore) {
  const auto engine = engine_of();
  CalibrateOptions options = options_of(*engine);
  options.max_kld = 2e-3;
  const auto strict = calibrate(*engine, tokens_of(*engine), options);
  options.max_kld = 2e-2;
  const auto loose = calibrate(*engine, tokens_of(*engine), options);
  ASSERT_TRUE(strict.ok()) << strict.error().message();
  ASSERT_TRUE(loose.ok()) << loose.error().message();
  EXPECT_LT(loose->file.bits_per_element, strict->file.bits_per_element);
  EXPECT_LE(predicted_kld(loose->file), 2e-2);
  options.max_kld = 1e-300;
  EXPECT_FALSE(calibrate(*engine, tokens_of(*engine), options).ok());
}

}  // namespace
}  // namespace lowkey::calib
