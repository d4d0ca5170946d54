#include "calib/allocate/widths.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "calib/allocate/gaussian.h"
#include "simd/scalar/ops.h"

namespace lowkey::calib {
namespace {

/// Falling importances over several orders of magnitude.
std::vector<CoordinateSet> random_sets(int n_sets, int d, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> fall(0.1, 1.0);
  std::vector<CoordinateSet> sets(static_cast<size_t>(n_sets));
  for (auto& set : sets) {
    double value = 10 * fall(engine);
    for (int i = 0; i < d; ++i) set.importance.push_back(value *= fall(engine));
  }
  return sets;
}

double error_of(const std::vector<CoordinateSet>& sets,
                const std::vector<std::vector<uint8_t>>& widths) {
  double error = 0;
  for (size_t s = 0; s < sets.size(); ++s) {
    for (size_t i = 0; i < widths[s].size(); ++i) {
      error += sets[s].importance[i] * distortion_of_width(widths[s][i]);
    }
  }
  return error;
}

/// Least error of any widths of the coordinates from `i` on, in groups of one, within the budget.
double brute_force(const CoordinateSet& set, int64_t budget, const std::vector<int>& choices,
                   size_t i = 0) {
  if (i == set.importance.size()) return 0.0;
  double best = std::numeric_limits<double>::infinity();
  for (const int width : choices) {
    if (width > budget) continue;
    const double own = set.importance[i] * distortion_of_width(width);
    best = std::min(best, own + brute_force(set, budget - width, choices, i + 1));
  }
  return best;
}

TEST(WidthsTest, EqualBruteForceAtEveryBudget) {
  const WidthRules rules{{0, 1, 2, 3, 4, 5, 6, 7, 8}, 1, 0};
  for (unsigned seed = 0; seed < 10; ++seed) {
    const auto sets = random_sets(1, 4, seed);
    for (int64_t budget = 0; budget <= 32; ++budget) {
      const auto found = allocate_widths(sets, budget, rules);
      ASSERT_TRUE(found.ok());
      EXPECT_NEAR(found->error, brute_force(sets[0], budget, rules.widths), 1e-12) << budget;
      EXPECT_EQ(found->bits, budget);
    }
  }
}

TEST(WidthsTest, WithGapsBetweenWidthsNoOtherUseOfTheSameBitsIsBetter) {
  const WidthRules rules{{0, 2, 3, 5, 8}, 1, 0};
  for (unsigned seed = 0; seed < 10; ++seed) {
    const auto sets = random_sets(1, 4, seed);
    for (int64_t budget = 0; budget <= 32; ++budget) {
      const auto found = allocate_widths(sets, budget, rules);
      ASSERT_TRUE(found.ok());
      EXPECT_LE(found->error, brute_force(sets[0], found->bits, rules.widths) + 1e-12);
    }
  }
}

TEST(WidthsTest, NeverExceedTheBudgetAndUseItWithinOneStep) {
  const WidthRules rules;
  const auto sets = random_sets(6, 16, 1);
  double last_error = std::numeric_limits<double>::infinity();
  for (int64_t budget = 0; budget < 6 * (16 * 8 + 8); budget += 7) {
    const auto found = allocate_widths(sets, budget, rules);
    ASSERT_TRUE(found.ok());
    EXPECT_LE(found->bits, budget);
    EXPECT_GT(found->bits, budget - rules.group - rules.overhead_bits);
    EXPECT_EQ(found->bits, bits_per_token(found->widths, rules));
    EXPECT_NEAR(found->error, error_of(sets, found->widths), 1e-9);
    EXPECT_LE(found->error, last_error);  // more bits never hurt
    last_error = found->error;
    for (const auto& widths : found->widths) {
      for (size_t i = 1; i < widths.size(); ++i) {
        EXPECT_LE(widths[i], widths[i - 1]);
        EXPECT_TRUE(i % size_t(rules.group) == 0 || widths[i] == widths[i - 1]);
      }
    }
  }
}

TEST(WidthsTest, AmpleBudgetGivesTheLargestWidthEverywhere) {
  const auto found = allocate_widths(random_sets(2, 8, 3), 1 << 20, WidthRules{});
  ASSERT_TRUE(found.ok());
  for (const auto& widths : found->widths) EXPECT_EQ(widths, std::vector<uint8_t>(8, 8));
}

TEST(WidthsTest, SetsWithoutImportanceGetNothingAndTiesGoToTheEarlierSet) {
  const WidthRules rules{{0, 1, 2}, 1, 0};
  const std::vector<CoordinateSet> sets = {{{1, 1}}, {{1, 0}}, {{0, 0}}};
  const auto found = allocate_widths(sets, 2, rules);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->widths, (std::vector<std::vector<uint8_t>>{{1, 1}, {0, 0}, {0, 0}}));
  const auto all = allocate_widths(sets, 100, rules);
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->bits, 6);
}

TEST(WidthsTest, RankOnlyKeepsTheMostImportantCoordinatesWhole) {
  const WidthRules bf16{{0, kBf16Width}, 1, 0};
  const std::vector<CoordinateSet> sets = {{{9, 5, 1}}, {{7, 2, 2}}};
  const auto found = allocate_widths(sets, 3 * 16, bf16);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->widths, (std::vector<std::vector<uint8_t>>{{16, 16, 0}, {16, 0, 0}}));
  EXPECT_EQ(found->error, 5 * distortion_of_width(0));
}

TEST(WidthsTest, RefuseRulesAndImportancesOutOfRange) {
  const std::vector<CoordinateSet> good = {{{2, 1}}};
  EXPECT_FALSE(allocate_widths(good, 10, {{1, 2}, 4, 8}).ok());
  EXPECT_FALSE(allocate_widths(good, 10, {{0, 3, 2}, 4, 8}).ok());
  EXPECT_FALSE(allocate_widths(good, 10, {{0, 9}, 4, 8}).ok());
  EXPECT_FALSE(allocate_widths(good, -1, WidthRules{}).ok());
  EXPECT_FALSE(allocate_widths(good, 10, {{0, 1}, 0, 8}).ok());
  const std::vector<CoordinateSet> rising = {{{1, 2}}}, negative = {{{1, -1}}}, nan = {{{NAN}}};
  EXPECT_FALSE(allocate_widths(rising, 10, WidthRules{}).ok());
  EXPECT_FALSE(allocate_widths(negative, 10, WidthRules{}).ok());
  EXPECT_FALSE(allocate_widths(nan, 10, WidthRules{}).ok());
}

/// Mean squared error of Gaussian vectors of 48 coordinates through the cache's code.
double coded_error(int width) {
  constexpr int kCoords = 48, kTokens = 4000;
  const std::vector<uint8_t> widths(kCoords / simd::kLatentGroup, uint8_t(width));
  const std::vector<float> steps(kCoords, float(step_of_width(width)));
  const simd::LatentPlan plan{kCoords, widths.data(), steps.data()};
  std::vector<std::byte> part(size_t(simd::latent_part_bytes(plan)));
  std::mt19937 random{uint32_t(width)};
  std::normal_distribution<float> draw;
  double error = 0;
  for (int n = 0; n < kTokens; ++n) {
    float z[kCoords], back[kCoords];
    for (float& x : z) x = draw(random);
    simd::scalar::latent_encode_k(plan, matrix<const float>(z, 1, kCoords), 0, part.data());
    simd::latent_decode(simd::LatentSide::kK, plan, part.data(), 0, back);
    for (int i = 0; i < kCoords; ++i) error += double(z[i] - back[i]) * double(z[i] - back[i]);
  }
  return error / (kCoords * kTokens);
}

TEST(DistortionTest, IsWhatTheCodeLeavesOfGaussianCoordinates) {
  for (int width = 1; width <= kMaxWidth; ++width) {
    EXPECT_NEAR(coded_error(width), kDistortion[size_t(width)], 0.02 * kDistortion[size_t(width)]);
    EXPECT_FLOAT_EQ(float(step_of_width(width)) * simd::latent_range(width), float(kCodeRange));
  }
  EXPECT_GT(distortion_of_width(0), 1);  // what is missing from all tokens alike costs more
  EXPECT_EQ(distortion_of_width(kBf16Width), 0);
}

}  // namespace
}  // namespace lowkey::calib
