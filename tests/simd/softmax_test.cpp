#include <algorithm>
#include <limits>

#include "simd/scalar/ops.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

/// A set may sum this many floats one after the other before it goes over to double.
constexpr double kFloatSum = 80;

::testing::AssertionResult check_size(const simd::KernelSet& set, int64_t n, float spread) {
  const Floats x(n, uint32_t(n), spread);
  Floats want = x, got = x;
  const double want_log = simd::scalar::softmax(want.data(), n);
  const double got_log = set.softmax(got.data(), n);
  const double max = *std::max_element(x.data(), x.data() + n);
  // Rounding x - max moves exp by that much, relatively; the sum feels the weighted mean of it.
  double shift = 0;
  for (int64_t i = 0; i < n; ++i) shift += double(want[i]) * (max - x[i]) * kUnit;
  const double sum_error = shift + kExpError + kFloatSum * kUnit;
  for (int64_t i = 0; i < n; ++i) {
    const double relative = (max - x[i]) * kUnit + kExpError + sum_error + 4 * kUnit;
    LK_CHECK_THAT(within(got[i], want[i], relative * want[i] + kTiny, n, i));
  }
  const double log_bound = sum_error + 2 * kUnit * (std::abs(max) + std::abs(want_log));
  LK_CHECK_THAT(within(got_log, want_log, log_bound, n, -1));
  if (!got.guarded()) return ::testing::AssertionFailure() << "wrote past the end at " << n;
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_softmax(const simd::KernelSet& set) {
  for (float spread : {0.1f, 5.0f, 100.0f}) {
    for (int64_t n : swept_lengths()) LK_CHECK_THAT(check_size(set, n, spread));
    LK_CHECK_THAT(check_size(set, 49152, spread));
  }
  return ::testing::AssertionSuccess();
}

TEST(Softmax, MatchesTheOracle) { expect_on_every_set(check_softmax); }

TEST(Softmax, MaskedEntriesGetNothing) {
  expect_on_every_set([](const simd::KernelSet& set) {
    std::vector<float> x(37, -std::numeric_limits<float>::infinity());
    x[5] = x[36] = 3;
    const float log_sum = set.softmax(x.data(), 37);
    LK_CHECK_THAT(within(log_sum, 3 + std::log(2.0), 4 * kUnit * 4, 37, -1));
    for (int64_t i = 0; i < 37; ++i) {
      LK_CHECK_THAT(within(x[i], i == 5 || i == 36 ? 0.5 : 0, 0, 37, i));
    }
    return ::testing::AssertionSuccess();
  });
}

TEST(Softmax, CheckNoticesAnUnsubtractedMaximum) {
  simd::KernelSet set = copy_of_scalar_set();
  set.softmax = [](float* x, int64_t n) {
    float sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i] = std::exp(x[i]);
    for (int64_t i = 0; i < n; ++i) x[i] /= sum;
    return std::log(sum);
  };
  EXPECT_FALSE(check_softmax(set));
}

}  // namespace
}  // namespace lowkey::testing
