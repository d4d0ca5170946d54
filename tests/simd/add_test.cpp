#include "tests/support/kernel_harness.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

// One rounding on either side: equal, not close.
::testing::AssertionResult check_add(const simd::KernelSet& set) {
  for (int64_t n : swept_lengths()) {
    const Floats x(n, 1), y(n, 2);
    Floats sum = x;
    set.add(sum.data(), y.data(), n);
    for (int64_t i = 0; i < n; ++i) LK_CHECK_THAT(within(sum[i], x[i] + y[i], 0, n, i));
    if (!sum.guarded()) return ::testing::AssertionFailure() << "wrote past the end at " << n;
  }
  return ::testing::AssertionSuccess();
}

TEST(Add, MatchesTheDefinition) { expect_on_every_set(check_add); }

TEST(Add, CheckNoticesASubtraction) {
  simd::KernelSet set = copy_of_scalar_set();
  set.add = [](float* x, const float* y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) x[i] -= y[i];
  };
  EXPECT_FALSE(check_add(set));
}

}  // namespace
}  // namespace lowkey::testing
