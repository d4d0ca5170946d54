// The matrices of a latent space as halves.
#include "engine/kv/latent_matrices.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/support/half_matrix.h"

namespace lowkey::engine {
namespace {

// Bases come in any unit, and their rows differ by the deviations of latents.
TEST(HalfMatrix, EntriesOfAllSizesKeepElevenBits) {
  constexpr int d = 8;
  std::mt19937 random(5);
  for (const int unit : {-60, -20, 0, 20, 60}) {
    std::vector<float> m;
    for (int i = 0; i < d * d; ++i) {
      const float share = 1.0f + float(random() % 1000) / 1000.0f;
      m.push_back(std::ldexp(random() % 2 == 0 ? share : -share, unit - i % 27));
    }
    const HalfMatrix half(m, d);
    for (int i = 0; i < d * d; ++i) {
      const double want = m[size_t(i)];
      EXPECT_NEAR(lowkey::testing::entry(half.encoder(), i / d, i % d), want,
                  std::abs(want) * 0x1p-11)
          << "unit 2^" << unit << ", entry " << i;
    }
  }
}

TEST(LatentMatrices, EveryWayOfEverySideHasItsOwnPlace) {
  constexpr int n_layers = 2, n_heads = 3, d = 4;
  auto made = LatentMatrices::create(n_layers, n_heads, d);
  ASSERT_TRUE(made.ok());
  const auto value = [](LatentWay way, size_t side) { return float(1 + 4 * side + size_t(way)); };
  for (size_t side = 0; side < n_layers * n_heads; ++side) {
    for (const LatentWay way : kLatentWays) {
      made->set(way, side, std::vector<float>(d * d, value(way, side)));
    }
  }
  auto second = made->layer(1);
  ASSERT_TRUE(second.ok());
  for (size_t side = 0; side < n_layers * n_heads; ++side) {
    for (const LatentWay way : kLatentWays) {
      const double want = value(way, side);
      EXPECT_EQ(lowkey::testing::entry(made->of(way, side), d - 1, d - 1), want);
      if (side < n_heads) continue;
      EXPECT_EQ(lowkey::testing::entry(second->of(way, side - n_heads), 0, 0), want);
    }
  }
}

}  // namespace
}  // namespace lowkey::engine
