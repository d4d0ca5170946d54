// Splits of layers' bits against brute force over everything that could be chosen.
#include "calib/allocate/surface.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace lowkey::calib {
namespace {

constexpr double kUnit = 0.5;
const std::vector<double> kLevels = {0.5, 1.0, 2.0};

/// A surface that falls along both sides, with random steps.
ErrorSurface random_surface(uint64_t seed) {
  std::mt19937_64 rng(seed);
  const auto draw = [&] { return 0.2 + 0.6 * double(rng() % 1000) / 1000; };
  std::vector<double> k = {1.0}, v = {1.0};
  for (int i = 1; i < 3; ++i) {
    k.push_back(k.back() * draw());
    v.push_back(v.back() * draw());
  }
  std::vector<float> errors;
  for (double a : k) {
    for (double b : v) errors.push_back(float((a + b) * (1 + 0.1 * draw())));
  }
  return ErrorSurface(kLevels, errors);
}

/// Every split within the levels.
std::vector<Split> all_splits(const ErrorSurface& surface) {
  std::vector<Split> out;
  for (int k = 1; k <= 4; ++k) {
    for (int v = 1; v <= 4; ++v) out.push_back({k, v, surface.at(k * kUnit, v * kUnit)});
  }
  return out;
}

/// Calls visit(splits) for every choice of one split per layer.
template <class Visit>
void for_each_choice(const std::vector<std::vector<Split>>& options, const Visit& visit) {
  std::vector<size_t> at(options.size(), 0);
  for (;;) {
    std::vector<Split> choice;
    for (size_t l = 0; l < options.size(); ++l) choice.push_back(options[l][at[l]]);
    visit(choice);
    size_t l = 0;
    while (l < at.size() && ++at[l] == options[l].size()) at[l++] = 0;
    if (l == at.size()) return;
  }
}

int64_t total_of(const std::vector<Split>& splits) {
  int64_t total = 0;
  for (const Split& split : splits) total += split.total();
  return total;
}

double worst_of(const std::vector<Split>& splits) {
  double worst = 0;
  for (const Split& split : splits) worst = std::max(worst, split.error);
  return worst;
}

TEST(SurfaceTest, PassesThroughItsPointsAndIsLogLinearBetween) {
  const ErrorSurface surface({{1.0, 3.0}}, {{16.0f, 4.0f, 1.0f, 0.25f}});
  EXPECT_NEAR(surface.at(1, 1), 16, 1e-9);
  EXPECT_NEAR(surface.at(1, 3), 4, 1e-9);
  EXPECT_NEAR(surface.at(3, 1), 1, 1e-9);
  EXPECT_NEAR(surface.at(2, 1), 4, 1e-9);    // between 16 and 1
  EXPECT_NEAR(surface.at(2, 2), 2, 1e-9);    // the centre
  EXPECT_NEAR(surface.at(9, 0.1), 1, 1e-9);  // the edge
}

TEST(SurfaceTest, NoErrorAtAllIsNoSpecialCase) {
  const ErrorSurface surface({{1.0, 2.0}}, {{1.0f, 0.0f, 0.0f, 0.0f}});
  EXPECT_TRUE(std::isfinite(surface.at(1.5, 1.5)));
  EXPECT_GE(pareto_front(surface, 0.5).size(), 1u);
}

TEST(FrontTest, NothingBeatsItAndNothingOnItIsIdle) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const ErrorSurface surface = random_surface(seed);
    const auto front = pareto_front(surface, kUnit);
    for (size_t i = 1; i < front.size(); ++i) {
      EXPECT_GT(front[i].total(), front[i - 1].total());
      EXPECT_LT(front[i].error, front[i - 1].error);
    }
    for (const Split& other : all_splits(surface)) {
      double best = std::numeric_limits<double>::infinity();
      for (const Split& split : front) {
        if (split.total() <= other.total()) best = std::min(best, split.error);
      }
      EXPECT_LE(best, other.error * (1 + 1e-12)) << seed;
    }
  }
}

/// Least worst error of all choices within the budget.
double least_worst(const std::vector<std::vector<Split>>& options, int64_t budget) {
  double least = std::numeric_limits<double>::infinity();
  for_each_choice(options, [&](const std::vector<Split>& other) {
    if (total_of(other) <= budget) least = std::min(least, worst_of(other));
  });
  return least;
}

/// Units that the layer needs for an error of at most `bound`.
int needed(const std::vector<Split>& options, double bound) {
  int least = 8;
  for (const Split& other : options) {
    if (other.error <= bound) least = std::min(least, other.total());
  }
  return least;
}

void expect_least_worst(uint64_t seed) {
  std::vector<std::vector<Split>> fronts, options;
  for (uint64_t l = 0; l < 3; ++l) {
    const ErrorSurface surface = random_surface(100 * seed + l);
    fronts.push_back(pareto_front(surface, kUnit));
    options.push_back(all_splits(surface));
  }
  for (int64_t budget = 6; budget <= 24; budget += 3) {
    const auto chosen = split_by_error(fronts, budget);
    EXPECT_LE(total_of(chosen), budget);
    EXPECT_NEAR(worst_of(chosen), least_worst(options, budget), 1e-12) << seed << " " << budget;
    // And no layer that could have more takes more than it needs to stay below the worst of these.
    double bound = 0;
    for (const Split& split : chosen) bound = std::max(bound, split.total() < 8 ? split.error : 0);
    for (size_t l = 0; l < chosen.size(); ++l) {
      const int most = chosen[l].total() < 8 ? needed(options[l], bound) : 8;
      EXPECT_EQ(chosen[l].total(), most);
    }
  }
}

TEST(V1Test, HasTheLeastWorstErrorOfAllChoicesWithinTheBudget) {
  for (uint64_t seed = 0; seed < 6; ++seed) expect_least_worst(seed);
}

TEST(V1Test, ABudgetBelowTheCheapestGivesTheCheapest) {
  const std::vector<std::vector<Split>> fronts = {pareto_front(random_surface(1), kUnit)};
  EXPECT_EQ(split_by_error(fronts, 0)[0].total(), fronts[0].front().total());
  EXPECT_EQ(split_in_order(fronts, 0, std::vector<double>{1.0})[0].total(),
            fronts[0].front().total());
}

TEST(V2Test, EachLayerTakesItsBestWithinItsShareAndLeavesTheRest) {
  std::vector<std::vector<Split>> fronts;
  std::vector<std::vector<Split>> options;
  for (uint64_t l = 0; l < 4; ++l) {
    const ErrorSurface surface = random_surface(7 + l);
    fronts.push_back(pareto_front(surface, kUnit));
    options.push_back(all_splits(surface));
  }
  const std::vector<double> weights = {2, 1, 1, 1.75};
  for (int64_t budget = 8; budget <= 32; ++budget) {
    const auto chosen = split_in_order(fronts, budget, weights);
    EXPECT_LE(total_of(chosen), budget);
    int64_t left = budget;
    double weight_left = 5.75;
    for (size_t l = 0; l < 4; ++l) {
      const int64_t after = int64_t(3 - l);  // layers to come need 2 units and can use 8
      auto units = int64_t(double(left) * weights[l] / weight_left + 1e-9);
      units = std::min(std::max(units, left - 8 * after), left - 2 * after);
      units = std::max<int64_t>(units, 2);
      double least = std::numeric_limits<double>::infinity();
      for (const Split& other : options[l]) {
        if (other.total() <= units) least = std::min(least, other.error);
      }
      EXPECT_NEAR(chosen[l].error, least, 1e-12) << budget << " layer " << l;
      left -= chosen[l].total();
      weight_left -= weights[l];
    }
  }
}

TEST(V2Test, PositionsAreWeightedAsInThePaper) {
  EXPECT_EQ(position_weights(8), (std::vector<double>{2, 2, 1, 1, 1, 1, 1.75, 1.75}));
  EXPECT_EQ(position_weights(2), (std::vector<double>{2, 1.75}));
  EXPECT_EQ(position_weights(1), (std::vector<double>{2}));
}

}  // namespace
}  // namespace lowkey::calib
