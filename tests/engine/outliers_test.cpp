// Tokens kept exact because of their gain: which, how many, and what attention makes of them.
#include "engine/kv/outliers.h"

#include <gtest/gtest.h>

#include <random>

namespace lowkey::engine {
namespace {

constexpr int kFirst = 4;
constexpr TileShape kTile{16 * 64, 16 * 64};

/// Gains of a head's tokens: around 5, every 20th far above.
std::vector<uint8_t> gains(int n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> out;
  for (int i = 0; i < n; ++i) out.push_back(uint8_t(i % 20 == 19 ? 60 : 2 + random() % 6));
  return out;
}

std::vector<int64_t> taken(OutlierTokens& tokens, const std::vector<uint8_t>& key_gains,
                           int64_t begin, int64_t end) {
  std::vector<int64_t> out;
  EXPECT_TRUE(tokens.prepare(begin, end).ok());
  for (int64_t p = begin; p < end; ++p) {
    if (tokens.take(0, p, key_gains[size_t(p)], 3)) out.push_back(p);
  }
  return out;
}

TEST(Outliers, AreFarAboveTheUsualGain) {
  OutlierTokens tokens(1, kTile, 0.2, kFirst);
  const auto key_gains = gains(400, 1);
  const auto out = taken(tokens, key_gains, 0, 400);
  for (int64_t p : out) EXPECT_EQ(p % 20, 19);
  // The first 64 coded tokens tell what is usual.
  EXPECT_EQ(out.front(), 79);
  EXPECT_EQ(out.size(), size_t(400 / 20 - 3));
  EXPECT_EQ(tokens.n(), int64_t(out.size()));
  EXPECT_EQ(tokens.bytes(), tokens.n() * (kTile.bytes() / 16 + 4));
}

TEST(Outliers, ValuesCountAsKeysDo) {
  OutlierTokens tokens(1, kTile, 1.0, 0);
  ASSERT_TRUE(tokens.prepare(0, 100).ok());
  for (int p = 0; p < 64; ++p) EXPECT_FALSE(tokens.take(0, p, 20, 20));
  EXPECT_FALSE(tokens.take(0, 64, 20, 35));
  EXPECT_TRUE(tokens.take(0, 65, 20, 36));
  EXPECT_TRUE(tokens.take(0, 66, 36, 20));
}

TEST(Outliers, StayUnderTheirShare) {
  for (const double share : {0.01, 0.03, 0.05}) {
    OutlierTokens tokens(1, kTile, share, kFirst);
    const auto key_gains = gains(2000, 2);
    int64_t n = 0;
    ASSERT_TRUE(tokens.prepare(0, 2000).ok());
    for (int64_t p = 0; p < 2000; ++p) {
      n += tokens.take(0, p, key_gains[size_t(p)], 3);
      EXPECT_LE(double(n), share * double(p + 1));
    }
    EXPECT_GT(n, 0);
  }
}

TEST(Outliers, GoingBackLeavesNoTrace) {
  const auto key_gains = gains(600, 3), others = gains(600, 4);
  for (const int64_t left : {0, 10, 50, 67, 68, 90, 300, 599}) {
    OutlierTokens tokens(1, kTile, 0.03, kFirst);
    taken(tokens, key_gains, 0, left);
    taken(tokens, others, left, 600);
    tokens.truncate(left);
    const auto again = taken(tokens, key_gains, left, 600);
    OutlierTokens fresh(1, kTile, 0.03, kFirst);
    taken(fresh, key_gains, 0, left);
    EXPECT_EQ(again, taken(fresh, key_gains, left, 600)) << left;
    EXPECT_EQ(tokens.n(), fresh.n());
  }
}

TEST(Outliers, SlotsFollowPositions) {
  OutlierTokens tokens(1, kTile, 1.0, kFirst);
  const auto out = taken(tokens, gains(400, 5), 0, 400);
  const Range all = tokens.slots(0, 0, 400);
  EXPECT_EQ(all.begin, 0);
  EXPECT_EQ(all.end, int64_t(out.size()));
  const Range some = tokens.slots(0, out[2], out[5]);
  EXPECT_EQ(some.begin, 2);
  EXPECT_EQ(some.end, 5);
  EXPECT_EQ(tokens.slots(0, 300, 200).size(), 0);
}

}  // namespace
}  // namespace lowkey::engine
