#include "simd/scalar/ops.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

::testing::AssertionResult check_spread(const simd::KernelSet& set, float spread) {
  for (int64_t n : swept_lengths()) {
    const Floats gate(n, 1, spread), up(n, 2);
    Floats want(n, 3), got(n, 4);
    simd::scalar::swiglu(gate.data(), up.data(), n, want.data());
    set.swiglu(gate.data(), up.data(), n, got.data());
    for (int64_t i = 0; i < n; ++i) {
      // exp, then sum, quotient, product; where exp saturates, what is left is below kTiny.
      const double size = std::abs(double(gate[i]) * up[i]);
      const double bound = (kExpError + 5 * kUnit) * std::abs(double(want[i])) + kTiny * (size + 1);
      LK_CHECK_THAT(within(got[i], want[i], bound, n, i));
    }
    if (!got.guarded()) return ::testing::AssertionFailure() << "wrote past the end at " << n;
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_swiglu(const simd::KernelSet& set) {
  for (float spread : {0.01f, 2.0f, 60.0f, 1e4f}) LK_CHECK_THAT(check_spread(set, spread));
  return ::testing::AssertionSuccess();
}

TEST(Swiglu, MatchesTheOracleFarIntoSaturation) { expect_on_every_set(check_swiglu); }

TEST(Swiglu, CheckNoticesACrudeExp) {
  simd::KernelSet set = copy_of_scalar_set();
  set.swiglu = [](const float* gate, const float* up, int64_t n, float* out) {
    for (int64_t i = 0; i < n; ++i) {
      out[i] = gate[i] / (1 + std::exp(-gate[i]) * (1 + 4e-6f)) * up[i];
    }
  };
  EXPECT_FALSE(check_swiglu(set));
}

}  // namespace
}  // namespace lowkey::testing
