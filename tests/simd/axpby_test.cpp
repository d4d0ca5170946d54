#include <limits>

#include "tests/support/kernel_harness.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

struct Factors {
  float a, b;
};

// Two products and a sum: three roundings at most, of the largest terms.
::testing::AssertionResult check_axpby(const simd::KernelSet& set) {
  for (const Factors f : {Factors{1, 1}, {0.3f, 0}, {-2.5f, 1}, {0.7f, 1.9f}, {0, 3}}) {
    for (int64_t n : swept_lengths()) {
      const Floats x(n, 1), y(n, 2);
      Floats found = y;
      set.axpby(f.a, x.data(), f.b, found.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        const double ax = double(f.a) * x[i], by = double(f.b) * y[i];
        const double tolerance = 1.5 * 0x1p-23 * (std::abs(ax) + std::abs(by));
        LK_CHECK_THAT(within(found[i], ax + by, tolerance, n, i));
      }
      if (!found.guarded()) return ::testing::AssertionFailure() << "wrote past the end at " << n;
    }
  }
  return ::testing::AssertionSuccess();
}

TEST(Axpby, MatchesTheDefinition) { expect_on_every_set(check_axpby); }

// One rounding on either side: equal, not close.
TEST(Axpby, FactorsOfOneAdd) {
  expect_on_every_set([](const simd::KernelSet& set) -> ::testing::AssertionResult {
    const Floats x(37, 1), y(37, 2);
    Floats sum = y;
    set.axpby(1, x.data(), 1, sum.data(), 37);
    for (int64_t i = 0; i < 37; ++i) LK_CHECK_THAT(within(sum[i], x[i] + y[i], 0, 37, i));
    return ::testing::AssertionSuccess();
  });
}

TEST(Axpby, NothingOfTheOldIsNeverRead) {
  expect_on_every_set([](const simd::KernelSet& set) -> ::testing::AssertionResult {
    for (int64_t n : swept_lengths()) {
      const Floats x(n, 1);
      Floats y = x;
      std::fill_n(y.data(), n, std::numeric_limits<float>::quiet_NaN());
      set.axpby(2, x.data(), 0, y.data(), n);
      for (int64_t i = 0; i < n; ++i) LK_CHECK_THAT(within(y[i], 2 * x[i], 0, n, i));
    }
    return ::testing::AssertionSuccess();
  });
}

TEST(Axpby, CheckNoticesASubtraction) {
  simd::KernelSet set = copy_of_scalar_set();
  set.axpby = [](float a, const float* x, float b, float* y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = a * x[i] - b * y[i];
  };
  EXPECT_FALSE(check_axpby(set));
}

}  // namespace
}  // namespace lowkey::testing
