#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/half.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/random_panels.h"

namespace lowkey::testing {
namespace {

using simd::KernelSet;

/// Ties, what rounds up to the next exponent and to infinity, and the values that are no numbers.
std::vector<float> edges() {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> values = {0.0f, -0.0f, 1.0f, kInfinity, -kInfinity, 3.4e38f, -3.4028e38f};
  for (const uint32_t bits : {0x3f808000u, 0x3f818000u, 0x3f807fffu, 0x3f808001u, 0x3fffffffu}) {
    values.push_back(std::bit_cast<float>(bits));
  }
  values.push_back(std::numeric_limits<float>::quiet_NaN());
  values.push_back(std::bit_cast<float>(0x7f800001u));  // a NaN whose upper half is infinity's
  return values;
}

::testing::AssertionResult check_round(const KernelSet& set) {
  for (int64_t n = 0; n <= 70; ++n) {
    std::vector<float> x = random_floats(n, uint32_t(n) + 1);
    const std::vector<float> special = edges();
    for (size_t i = 0; i < x.size(); i += 3) x[i] = special[(i + size_t(n)) % special.size()];
    std::vector<uint16_t> out(size_t(n) + 1, 0x1234);
    set.round_bf16(x.data(), n, out.data());
    if (out.back() != 0x1234) return ::testing::AssertionFailure() << "wrote beyond " << n;
    for (size_t i = 0; i < x.size(); ++i) {
      const bool right =
          std::isnan(x[i]) ? std::isnan(bf16_to_f32(out[i])) : out[i] == f32_to_bf16(x[i]);
      if (!right) return ::testing::AssertionFailure() << x[i] << " became " << out[i];
    }
  }
  return ::testing::AssertionSuccess();
}

TEST(RoundBf16, MatchesTheDefinitionOnEverySet) { expect_on_every_set(check_round); }

TEST(RoundBf16, TheCheckCatchesRoundingTowardsZero) {
  KernelSet set = copy_of_scalar_set();
  set.round_bf16 = [](const float* x, int64_t n, uint16_t* out) {
    for (int64_t i = 0; i < n; ++i) out[i] = uint16_t(std::bit_cast<uint32_t>(x[i]) >> 16);
  };
  EXPECT_FALSE(check_round(set));
}

}  // namespace
}  // namespace lowkey::testing
