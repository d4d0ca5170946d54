#include "simd/scalar/ops.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

::testing::AssertionResult check_dot(const simd::KernelSet& set) {
  for (int64_t n : swept_lengths()) {
    const Floats x(n, 1), y(n, 2);
    double magnitude = 0;
    for (int64_t i = 0; i < n; ++i) magnitude += std::abs(double(x[i]) * y[i]);
    const double want = simd::scalar::dot(x.data(), y.data(), n);
    const double bound = double(n + 1) * kUnit * magnitude;
    LK_CHECK_THAT(within(set.dot(x.data(), y.data(), n), want, bound, n, 0));
  }
  return ::testing::AssertionSuccess();
}

TEST(Dot, MatchesTheOracle) { expect_on_every_set(check_dot); }

TEST(Dot, OracleKnowsAnExactSum) {
  const float x[] = {1, 2, 3}, y[] = {4, -5, 6};
  EXPECT_EQ(simd::scalar::dot(x, y, 3), 12);
}

TEST(Dot, CheckNoticesAForgottenElement) {
  simd::KernelSet set = copy_of_scalar_set();
  set.dot = [](const float* x, const float* y, int64_t n) {
    return simd::scalar::dot(x, y, n - 1);
  };
  EXPECT_FALSE(check_dot(set));
}

}  // namespace
}  // namespace lowkey::testing
