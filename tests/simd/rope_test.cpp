#include "simd/scalar/ops.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

struct RopeCase {
  int64_t d;
  int64_t n_rot;
  bool neighbours;
};

::testing::AssertionResult check_case(const simd::KernelSet& set, const RopeCase& c) {
  constexpr int64_t kHeads = 3;
  const Floats x(kHeads * c.d, 1), angle(c.n_rot / 2, 2, 10);
  Floats table(c.n_rot, 3);
  for (int64_t i = 0; i < c.n_rot / 2; ++i) {
    table[i] = std::cos(angle[i]);
    table[c.n_rot / 2 + i] = std::sin(angle[i]);
  }
  Floats want = x, got = x;
  simd::scalar::rope(want.data(), kHeads, c.d, table.data(), c.n_rot, c.neighbours);
  set.rope(got.data(), kHeads, c.d, table.data(), c.n_rot, c.neighbours);
  for (int64_t i = 0; i < x.size(); ++i) {
    const int64_t at = i % c.d, half = c.n_rot / 2;
    const int64_t partner = c.neighbours ? i ^ 1 : (at < half ? i + half : i - half);
    if (at >= c.n_rot) {
      LK_CHECK_THAT(within(got[i], x[i], 0, c.d, i));
      continue;
    }
    // Two products and one sum, each rounded once, and the oracle's own rounding.
    const double bound = 3 * kUnit * (std::abs(double(x[i])) + std::abs(double(x[partner])));
    LK_CHECK_THAT(within(got[i], want[i], bound, c.d, i));
  }
  if (!got.guarded()) return ::testing::AssertionFailure() << "wrote past the end";
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_rope(const simd::KernelSet& set) {
  std::vector<int64_t> sizes{256, 258, 512};
  for (int64_t d = 2; d <= 140; d += 2) sizes.push_back(d);
  for (int64_t d : sizes) {
    for (bool neighbours : {false, true}) {
      LK_CHECK_THAT(check_case(set, {d, d, neighbours}));
      LK_CHECK_THAT(check_case(set, {d, d / 4 * 2, neighbours}));
    }
  }
  return ::testing::AssertionSuccess();
}

TEST(Rope, MatchesTheOracleInBothOrders) { expect_on_every_set(check_rope); }

TEST(Rope, OracleTurnsByAQuarter) {
  float x[] = {1, 2, 3, 4};
  const float quarter[] = {0, 0, 1, 1};
  simd::scalar::rope(x, 1, 4, quarter, 4, true);
  EXPECT_EQ(x[0], -2);
  EXPECT_EQ(x[1], 1);
  simd::scalar::rope(x, 1, 4, quarter, 4, false);
  EXPECT_EQ(x[0], 4);
  EXPECT_EQ(x[2], -2);
}

TEST(Rope, CheckNoticesTheWrongOrder) {
  simd::KernelSet set = copy_of_scalar_set();
  set.rope = [](float* x, int64_t n_heads, int64_t d, const float* table, int64_t n_rot, bool) {
    simd::scalar::rope(x, n_heads, d, table, n_rot, false);
  };
  EXPECT_FALSE(check_rope(set));
}

}  // namespace
}  // namespace lowkey::testing
