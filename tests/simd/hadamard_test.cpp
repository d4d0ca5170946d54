#include "simd/scalar/ops.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

::testing::AssertionResult check_hadamard(const simd::KernelSet& set) {
  constexpr int64_t kHeads = 3;
  for (int64_t d = 1, levels = 0; d <= 512; d *= 2, ++levels) {
    const Floats x(kHeads * d, uint32_t(d));
    Floats want = x, got = x;
    simd::scalar::hadamard(want.data(), kHeads, d);
    set.hadamard(got.data(), kHeads, d);
    for (int64_t head = 0; head < kHeads; ++head) {
      double magnitude = 0;
      for (int64_t i = 0; i < d; ++i) magnitude += std::abs(double(x[head * d + i]));
      // One rounding a level, the factor, its product, the oracle's result.
      const double bound = double(levels + 3) * kUnit * magnitude / std::sqrt(double(d));
      for (int64_t i = head * d; i < (head + 1) * d; ++i) {
        LK_CHECK_THAT(within(got[i], want[i], bound, d, i));
      }
    }
    if (!got.guarded()) return ::testing::AssertionFailure() << "wrote past the end at " << d;
  }
  return ::testing::AssertionSuccess();
}

TEST(Hadamard, MatchesTheOracle) { expect_on_every_set(check_hadamard); }

TEST(Hadamard, OracleIsTheMatrixInNaturalOrder) {
  float x[] = {0, 1, 0, 0};
  simd::scalar::hadamard(x, 1, 4);
  EXPECT_EQ(x[0], 0.5f);
  EXPECT_EQ(x[1], -0.5f);
  EXPECT_EQ(x[2], 0.5f);
  EXPECT_EQ(x[3], -0.5f);
}

TEST(Hadamard, CheckNoticesAForgottenHead) {
  simd::KernelSet set = copy_of_scalar_set();
  set.hadamard = [](float* x, int64_t n_heads, int64_t d) {
    simd::scalar::hadamard(x, n_heads - 1, d);
  };
  EXPECT_FALSE(check_hadamard(set));
}

}  // namespace
}  // namespace lowkey::testing
