// The planner on files that hold everything it needs; nothing runs a model here.
#include "calib/plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "calib/allocate/gaussian.h"
#include "calib/build.h"
#include "calib/decay.h"
#include "calib/fit.h"
#include "calib/tap/output_error.h"

namespace lowkey::calib {
namespace {

/// Error to expect of a side at `level` bits per element.
double error_at(const models::SideBasis& side, double level, bool rank_only) {
  const auto n = double(side.heads.size()) * side.heads[0].d();
  return allocate_widths(side_sets(side, 1.0), int64_t(level * n), width_rules(rank_only))
      .value()
      .error;
}

/// Surfaces that are the sum of both sides' errors, the keys' times their layer's number from 1.
void set_surfaces(models::BasisFile& file, const std::vector<double>& levels, bool rank_only) {
  file.profile.levels = levels;
  file.profile.surfaces.clear();
  for (size_t l = 0; l < file.layers.size(); ++l) {
    std::vector<float>& surface = file.profile.surfaces.emplace_back();
    for (const double k : levels) {
      for (const double v : levels) {
        surface.push_back(float(double(1 + l) * error_at(file.layers[l].k, k, rank_only) +
                                error_at(file.layers[l].v, v, rank_only)));
      }
    }
  }
}

const std::vector<double> kRankLevels = {2, 4, 8, 12, 16};

/// Sides of `d` coordinates whose importances fall, layers of very different sensitivities, and
/// surfaces that follow the sides' own errors.
models::BasisFile file_of(int n_layers, int n_heads, int d) {
  models::BasisFile file;
  file.method = "fisher";
  file.model_hash = file.text_hash = std::string(64, 'a');
  file.n_kv_heads = n_heads;
  file.head_dim = d;
  for (int l = 0; l < n_layers; ++l) {
    models::LayerBasis layer;
    layer.k.sensitivity = std::pow(5.0, l);
    layer.v.sensitivity = 0.3 + 0.2 * l;
    for (models::SideBasis* side : {&layer.k, &layer.v}) {
      for (int h = 0; h < n_heads; ++h) {
        models::HeadBasis head;
        head.encoder.assign(size_t(d * d), 0.0f);
        for (int i = 0; i < d; ++i) head.encoder[size_t(i * d + i)] = 1;
        head.decoder = head.encoder;
        head.mean.assign(size_t(d), 0.0f);
        head.widths.assign(size_t(d), uint8_t{0});
        head.steps.assign(size_t(d), 0.0f);
        for (int i = 0; i < d; ++i) {
          head.variances.push_back(1.0f / float(1 + i + h));
          head.costs.push_back(side == &layer.k ? 0.01f : 0.02f / float(1 + i));
        }
        side->heads.push_back(head);
      }
    }
    file.layers.push_back(layer);
  }
  file.profile.levels = {0.5, 1, 2, 4, 8};
  for (int l = 0; l < n_layers; ++l) {
    std::vector<float>& surface = file.profile.surfaces.emplace_back();
    for (double k : file.profile.levels) {
      for (double v : file.profile.levels) {
        surface.push_back(float(std::exp2(-2 * k) * (1 + l) + std::exp2(-2 * v)));
      }
    }
  }
  return file;
}

class PolicyTest : public ::testing::TestWithParam<const char*> {};

TEST_P(PolicyTest, KeepsToTheBudgetAndMoreBitsAreNeverWorse) {
  for (const bool rank_only : {false, true}) {
    auto file = file_of(3, 2, 16);
    file.policy = GetParam();
    if (rank_only) file.profile.levels = kRankLevels;
    double last = std::numeric_limits<double>::infinity();
    for (double bits : {3.0, 4.5, 6.0}) {
      const double scaled = rank_only ? 2 * bits : bits;
      const auto budget = int64_t(scaled * double(elements_per_token(file)));
      ASSERT_TRUE(plan_widths(file, width_rules(rank_only), budget).ok());
      EXPECT_TRUE(models::check_basis(file, "test").ok());
      EXPECT_EQ(is_rank_only(file), rank_only);
      EXPECT_LE(planned_bits(file), budget);
      // At most a step of every head stays unspent.
      EXPECT_GT(planned_bits(file), budget - 12 * 16);
      EXPECT_DOUBLE_EQ(file.bits_per_element,
                       double(planned_bits(file)) / double(elements_per_token(file)));
      EXPECT_LE(predicted_kld(file), last);
      last = predicted_kld(file);
    }
  }
}

TEST_P(PolicyTest, InvertsToTheFewestBitsThatAScanFinds) {
  for (const bool rank_only : {false, true}) {
    auto file = file_of(2, 1, 8);
    file.policy = GetParam();
    file.profile.kld_scale = 0.7;
    file.profile.kld_exponent = 1.2;
    if (rank_only) file.profile.levels = kRankLevels;
    // Predictions fall evenly on surfaces that agree with the sides' errors; the splits of v1 and
    // v2 do on surfaces that fall by the same factor everywhere.
    const bool splits = GetParam()[0] == 'v';
    if (!splits) set_surfaces(file, std::vector(file.profile.levels), rank_only);
    const WidthRules rules = width_rules(rank_only);
    for (const double max_kld : {0.3, 0.1, 0.03}) {
      auto planned = file, scanned = file;
      const Status status = plan_for_kld(planned, rules, max_kld);
      ASSERT_TRUE(status.ok()) << status.error().message();
      EXPECT_LE(predicted_kld(planned), max_kld);
      int64_t bits = 1;
      while (!plan_widths(scanned, rules, bits).ok() || predicted_kld(scanned) > max_kld) ++bits;
      EXPECT_EQ(planned_bits(planned), planned_bits(scanned)) << GetParam() << " " << max_kld;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, PolicyTest, ::testing::Values("uniform", "v1", "v2", "global"));

/// Sets ranks that the digits of `code` to base 5 name; returns their sum.
int set_ranks(models::BasisFile& file, int code) {
  int total = 0;
  for (models::LayerBasis& layer : file.layers) {
    for (models::SideBasis* side : {&layer.k, &layer.v}) {
      const int rank = code % 5;
      code /= 5;
      total += rank;
      for (int i = 0; i < 4; ++i) side->heads[0].widths[size_t(i)] = i < rank ? 16 : 0;
    }
  }
  return total;
}

TEST(PlanTest, GlobalIsAtMostAnyOtherChoiceOfRanks) {
  auto file = file_of(2, 1, 4);  // 4 sets of 4 coordinates: 625 choices of ranks
  set_surfaces(file, kRankLevels, true);
  for (int n_kept = 0; n_kept <= 16; ++n_kept) {
    ASSERT_TRUE(plan_widths(file, width_rules(true), 16 * n_kept).ok());
    EXPECT_EQ(planned_bits(file), 16 * n_kept);
    auto other = file;
    double least = std::numeric_limits<double>::infinity();
    for (int code = 0; code < 625; ++code) {
      if (set_ranks(other, code) <= n_kept) least = std::min(least, expected_sum(other));
    }
    // Surfaces, which prices are corrected by, are floats.
    EXPECT_NEAR(expected_sum(file), least, 1e-7 * least + 1e-9) << n_kept;
  }
}

TEST(PlanTest, PricesAreTakenWhereTheBitsWillBe) {
  auto file = file_of(2, 1, 16);
  file.layers[1] = file.layers[0];  // two equal layers
  const int64_t budget = 3 * elements_per_token(file);
  set_surfaces(file, {0.5, 1, 2, 3, 8}, false);
  ASSERT_TRUE(plan_widths(file, {}, budget).ok());
  EXPECT_NEAR(side_bits(file.layers[0].k, {}), side_bits(file.layers[1].k, {}), 0.51);
  const double before = expected_costs(file)[1].k;
  EXPECT_NEAR(before, file.layers[1].k.sensitivity * expected_error(file.layers[1].k),
              5e-3 * before);
  // From 3 bits on the second layer's keys err twice as much as their widths say.
  std::vector<float>& surface = file.profile.surfaces[1];
  const auto added = float(2 * error_at(file.layers[1].k, 3, false));
  for (size_t v = 0; v < 5; ++v) surface[3 * 5 + v] += added;
  EXPECT_NEAR(ErrorDecay(file, {}).at(1, true, 3.0), 2.0, 0.05);
  EXPECT_NEAR(ErrorDecay(file, {}).at(1, true, 2.0), 1.0, 1e-9);
  EXPECT_NEAR(ErrorDecay(file, {}).at(0, true, 3.0), 1.0, 0.01);
  EXPECT_GT(expected_costs(file)[1].k, 1.3 * before);
  ASSERT_TRUE(plan_widths(file, {}, budget).ok());
  EXPECT_GT(side_bits(file.layers[1].k, {}), side_bits(file.layers[0].k, {}));
  EXPECT_LE(planned_bits(file), budget);
}

TEST(PlanTest, UniformGivesEveryHeadTheSameRank) {
  auto file = file_of(3, 2, 16);
  file.policy = "uniform";
  ASSERT_TRUE(plan_widths(file, width_rules(true), 12 * 16 * 9 + 15).ok());
  for (const auto& layer : file.layers) {
    for (const auto& head : {layer.k.heads[0], layer.k.heads[1], layer.v.heads[1]}) {
      EXPECT_EQ(std::ranges::count(head.widths, uint8_t{16}), 9);
      EXPECT_EQ(head.widths[8], 16);
    }
  }
}

TEST(PlanTest, WhatCannotBeIsRefusedWithAReason) {
  auto file = file_of(2, 1, 8);
  const auto message = [](const Status& status) {
    return status.ok() ? std::string() : status.error().message();
  };
  EXPECT_NE(message(plan_for_kld(file, {}, 1e-12)).find("--max-kld: expected at least"),
            std::string::npos);
  file.policy = "v3";
  EXPECT_NE(message(plan_widths(file, {}, 100)).find("uniform, v1, v2 or global, found 'v3'"),
            std::string::npos);
  file.policy = "v1";
  EXPECT_NE(message(plan_widths(file, {}, 1)).find("lowest level"), std::string::npos);
  file.profile = {};
  EXPECT_NE(message(plan_widths(file, {}, 100)).find("error surfaces"), std::string::npos);
  EXPECT_FALSE(predicted_front(file).ok());
}

TEST(PlanTest, TheFrontFallsFromFewBytesToMany) {
  for (const char* policy : {"global", "uniform", "v1", "v2"}) {
    auto file = file_of(3, 2, 16);
    file.policy = policy;
    const auto front = predicted_front(file);
    ASSERT_TRUE(front.ok());
    ASSERT_GT(front->size(), 10u);
    for (size_t i = 1; i < front->size(); ++i) {
      EXPECT_GT((*front)[i].bytes_per_token, (*front)[i - 1].bytes_per_token);
      EXPECT_LE((*front)[i].kld, (*front)[i - 1].kld);
    }
  }
}

TEST(FitTest, FindsThePowerThatPointsLieOn) {
  const std::vector<double> x = {0.01, 0.02, 0.05, 0.3};
  std::vector<double> y;
  for (double value : x) y.push_back(1.7 * std::pow(value, 1.3));
  const PowerLaw law = fit_power_law(x, y);
  EXPECT_NEAR(law.scale, 1.7, 1e-9);
  EXPECT_NEAR(law.exponent, 1.3, 1e-9);
  const PowerLaw one = fit_power_law({{0.5}}, {{1.0}});
  EXPECT_NEAR(one.scale, 2, 1e-12);
  EXPECT_EQ(one.exponent, 1);
  const PowerLaw falling = fit_power_law({{0.5, 1.0}}, {{1.0, 0.5}});
  EXPECT_EQ(falling.exponent, 1);
  EXPECT_EQ(fit_power_law({{0.0}}, {{1.0}}).scale, 1);
}

TEST(BlendTest, GoesHalfwayToWhatTheLayersOutputsSay) {
  auto file = file_of(2, 1, 8);
  // Surfaces of the same error for every side: what differs is only the measured divergence.
  for (auto& surface : file.profile.surfaces) surface = file.profile.surfaces[0];
  const auto once = blended_sensitivities(file, false);
  ASSERT_TRUE(once.ok()) << once.error().message();
  const auto twice = blended_sensitivities(*once, false);
  ASSERT_TRUE(twice.ok());
  const auto log_of = [](const models::BasisFile& f, size_t l) {
    return std::log(f.layers[l].k.sensitivity);
  };
  // The two layers' keys differ by log(5); half of it is left, then a quarter.
  EXPECT_NEAR(log_of(file, 1) - log_of(file, 0), std::log(5.0), 1e-9);
  EXPECT_NEAR(log_of(*once, 1) - log_of(*once, 0), std::log(5.0) / 2, 1e-9);
  EXPECT_NEAR(log_of(*twice, 1) - log_of(*twice, 0), std::log(5.0) / 4, 1e-9);
  file.profile = {};
  EXPECT_FALSE(blended_sensitivities(file, false).ok());
}

TEST(SurfaceGridTest, IsTheSumOfBothSidesWhereTheyDoNotInteract) {
  const std::vector<double> k = {4, 2, 1}, v = {3, 1, 0.5}, both = {7, 3, 1.5};
  const auto surface = error_surface(k, v, both);
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) EXPECT_NEAR(surface[3 * i + j], k[i] + v[j], 1e-6);
  }
  const std::vector<double> more = {14, 6, 3};
  const auto doubled = error_surface(k, v, more);
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(doubled[4 * i], more[i], 1e-6);
}

}  // namespace
}  // namespace lowkey::calib
