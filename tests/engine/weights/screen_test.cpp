// The coarse copy of a projection: how far off it is, and that it says so.
#include "engine/weights/screen.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "simd/select.h"
#include "tests/support/tiny_model.h"

namespace lowkey::engine {
namespace {

constexpr int64_t kRows = 2000, kCols = 192, kLarge = 20;

/// Every 9th column holds weights ten times those of the others, kLarge of them in all.
bool is_large(int64_t c) { return c % 9 == 4 && c / 9 < kLarge; }

std::vector<float> weights() {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> w(size_t(kRows * kCols));
  for (int64_t i = 0; i < kRows * kCols; ++i) {
    w[size_t(i)] = normal(random) * (is_large(i % kCols) ? 1.0f : 0.1f);
  }
  return w;
}

class ScreenTest : public ::testing::Test {
 protected:
  static Linear pack(DType type, int64_t n_rows, int64_t n_cols, const std::string& bytes) {
    const models::TensorView view{"w", type, n_rows, n_cols, std::as_bytes(std::span(bytes))};
    const models::TensorView* part = &view;
    Team team(1);
    WeightStore store(team);
    auto linear = Linear::pack({&part, 1}, store);
    LK_CHECK(linear.ok(), linear.error().message().c_str());
    return std::move(linear).value();
  }
  static Linear floats(const std::vector<float>& w) {
    return pack(DType::kF32, kRows, kCols, lowkey::testing::encode_floats(DType::kF32, w));
  }
  static Context context(Team& team) { return {simd::select_kernel_set("").value(), &team}; }
  static Screen screen(const Linear& head, int n_threads) {
    Team team(n_threads);
    auto made = Screen::make(context(team), head);
    LK_CHECK(made.ok(), made.error().message().c_str());
    return std::move(made).value();
  }
};

TEST_F(ScreenTest, ItsErrorIsAsLargeAsItSays) {
  const std::vector<float> w = weights();
  const Linear head = floats(w);
  const Screen screen = ScreenTest::screen(head, 2);
  ASSERT_FALSE(screen.empty());
  Team team(2);
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  ActivationScratch memory = ActivationScratch::allocate(1, kCols).value();
  std::vector<float> x(kCols), y(kRows), ordered;
  double squares = 0.0, largest = 0.0;
  constexpr int kTokens = 20;
  for (int t = 0; t < kTokens; ++t) {
    // Hidden states are large where weights are, in models that have such columns.
    for (int64_t c = 0; c < kCols; ++c) x[size_t(c)] = normal(random) * (is_large(c) ? 8.0f : 1.0f);
    screen.apply(context(team), matrix<const float>(x.data(), 1, kCols), memory.rows(), ordered,
                 matrix(y.data(), 1, kRows));
    const double spread = double(screen.spread(x.data()));
    for (int64_t r = 0; r < kRows; ++r) {
      double exact = 0.0;
      for (int64_t c = 0; c < kCols; ++c)
        exact += double(w[size_t(r * kCols + c)]) * double(x[size_t(c)]);
      const double z =
          (double(y[size_t(r)]) - exact) / (spread * double(screen.errors()[size_t(r)]));
      squares += z * z;
      largest = std::max(largest, std::fabs(z));
    }
  }
  // A normal distribution's: 40,000 draws come to 4.2 deviations; half as much again fails.
  EXPECT_NEAR(std::sqrt(squares / (kTokens * kRows)), 1.0, 0.1);
  EXPECT_LT(largest, 6.0);
}

TEST_F(ScreenTest, LargeColumnsHaveTheFineBlock) {
  const Screen screen = ScreenTest::screen(floats(weights()), 2);
  // Were they among the others, blocks of 32 would round these ten times more coarsely: 4 bits of
  // a deviation of 0.1 leave 0.01 of each weight, and of one of 1 would leave 0.1.
  for (const float error : screen.errors()) EXPECT_LT(error, 0.02f);
}

TEST_F(ScreenTest, ThreadsDoNotChangeIt) {
  const Linear head = floats(weights());
  const Screen one = screen(head, 1), three = screen(head, 3);
  EXPECT_TRUE(std::ranges::equal(one.errors(), three.errors()));
  const std::vector<float> x(kCols, 0.3f);
  EXPECT_EQ(one.spread(x.data()), three.spread(x.data()));
  const auto a = one.coarse().panels(), b = three.coarse().panels();
  EXPECT_TRUE(std::ranges::equal(a, b));
}

TEST_F(ScreenTest, IsLeftOutWhereItIsOfNoUse) {
  const auto blocks = [](DType type, int64_t n_rows, int64_t n_cols) {
    return pack(type, n_rows, n_cols, lowkey::testing::random_blocks(type, n_rows * n_cols, 1));
  };
  EXPECT_FALSE(screen(blocks(DType::kQ8_0, 512, 128), 1).empty());
  EXPECT_FALSE(screen(blocks(DType::kQ6_K, 512, 256), 1).empty());
  EXPECT_TRUE(screen(blocks(DType::kQ4_0, 512, 128), 1).empty()) << "as small as the screen";
  EXPECT_TRUE(screen(blocks(DType::kQ8_0, 512, 32), 1).empty()) << "all columns would be fine";
  std::vector<float> w(100 * 65, 0.5f);
  EXPECT_TRUE(
      screen(pack(DType::kF32, 100, 65, lowkey::testing::encode_floats(DType::kF32, w)), 1).empty())
      << "no whole blocks";
  for (const float odd :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    w.assign(size_t(kRows * kCols), 0.5f);
    w[777] = odd;
    EXPECT_TRUE(screen(floats(w), 1).empty()) << odd;
  }
}

}  // namespace
}  // namespace lowkey::engine
