#include "simd/scalar/ops.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

::testing::AssertionResult check_rms_norm(const simd::KernelSet& set) {
  for (int64_t n : swept_lengths()) {
    const Floats x(n, 1), weight(n, 2);
    Floats want(n, 3), got = x;
    simd::scalar::rms_norm(x.data(), weight.data(), n, 1e-5f, want.data());
    set.rms_norm(got.data(), weight.data(), n, 1e-5f, got.data());
    for (int64_t i = 0; i < n; ++i) {
      // Half of the sum's n roundings, then mean, eps, root, inverse, two products, both results.
      const double bound = (0.5 * double(n) + 8) * kUnit * std::abs(double(want[i]));
      LK_CHECK_THAT(within(got[i], want[i], bound, n, i));
    }
    if (!got.guarded()) return ::testing::AssertionFailure() << "wrote past the end at " << n;
  }
  return ::testing::AssertionSuccess();
}

TEST(RmsNorm, MatchesTheOracleInPlace) { expect_on_every_set(check_rms_norm); }

TEST(RmsNorm, OracleKnowsAnExactCase) {
  const float x[] = {3, -3, 3, -3}, weight[] = {1, 2, 3, 4};
  float out[4];
  simd::scalar::rms_norm(x, weight, 4, 0, out);
  EXPECT_EQ(out[0], 1);
  EXPECT_EQ(out[3], -4);
}

TEST(RmsNorm, CheckNoticesAForgottenEps) {
  simd::KernelSet set = copy_of_scalar_set();
  set.rms_norm = [](const float* x, const float* weight, int64_t n, float, float* out) {
    simd::scalar::rms_norm(x, weight, n, 1e-3f, out);
  };
  EXPECT_FALSE(check_rms_norm(set));
}

}  // namespace
}  // namespace lowkey::testing
