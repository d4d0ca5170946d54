#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/kernel_harness.h"
#include "tests/support/random_panels.h"

namespace lowkey::testing {
namespace {

using simd::KernelSet;

struct Quantised {
  std::vector<int8_t> hi, lo;
  std::vector<float> scale;
  std::vector<int32_t> sum;
  bool operator==(const Quantised&) const = default;
};

Quantised quantise(const KernelSet& set, MatrixView<const float> x, bool with_lo) {
  const size_t n = size_t(x.rows * x.cols);
  Quantised q{std::vector<int8_t>(n), std::vector<int8_t>(with_lo ? n : 0),
              std::vector<float>(n / 32), std::vector<int32_t>(n / 16)};
  set.quantize(
      x.data, x.stride,
      {x.rows, x.cols, q.hi.data(), with_lo ? q.lo.data() : nullptr, q.scale.data(), q.sum.data()});
  return q;
}

/// Values of very different sizes from block to block, with zeros and ties.
std::vector<float> awkward_values(int64_t n, uint32_t seed) {
  std::vector<float> x = random_floats(n, seed);
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::ldexp(x[i], int(i / 32 % 9) * 24 - 120);
  for (size_t i = 0; i < x.size(); i += 11) x[i] = 0.0f;
  for (size_t i = 96; i < std::min<size_t>(128, x.size()); ++i) x[i] = i % 2 == 0 ? 127.0f : 0.5f;
  return x;
}

::testing::AssertionResult check_values(MatrixView<const float> x, const Quantised& q) {
  for (int64_t i = 0; i < x.rows * x.cols; ++i) {
    const size_t at = size_t(i);
    const double value = x.row(i / x.cols)[i % x.cols], scale = q.scale[at / 32];
    const int integer = 128 * q.hi[at] + (q.lo.empty() ? 0 : q.lo[at]);
    // Half a step; below 1e-30 a block counts as zero.
    const double step = q.lo.empty() ? 128 * scale : scale;
    const double allowed = step * (0.5 + (q.lo.empty() ? 0x1p-7 : 0x1p-8)) + 1e-30;
    const bool in_range = q.hi[at] >= -127 && (q.lo.empty() || (q.lo[at] >= -64 && q.lo[at] <= 63));
    if (!in_range || !(std::abs(value - scale * integer) <= allowed)) {
      return ::testing::AssertionFailure()
             << "entry " << i << ": " << value << " became " << integer << " * " << scale;
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_sums(const Quantised& q) {
  for (size_t s = 0; s < q.sum.size(); ++s) {
    int sum = 0;
    for (size_t i = 16 * s; i < 16 * s + 16; ++i) {
      sum += 128 * q.hi[i] + (q.lo.empty() ? 0 : q.lo[i]);
    }
    if (sum != q.sum[s]) return ::testing::AssertionFailure() << "sum " << s;
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_quantize(const KernelSet& set) {
  for (int64_t n_blocks = 1; n_blocks <= 20; ++n_blocks) {
    const int64_t n_tokens = 1 + n_blocks % 4, stride = 32 * n_blocks + 5;
    const auto values = awkward_values(n_tokens * stride, uint32_t(n_blocks));
    const MatrixView<const float> x{values.data(), n_tokens, 32 * n_blocks, stride};
    for (bool with_lo : {false, true}) {
      const Quantised q = quantise(set, x, with_lo);
      if (auto result = check_values(x, q); !result) return result;
      if (auto result = check_sums(q); !result) return result;
      if (q != quantise(copy_of_scalar_set(), x, with_lo)) {
        return ::testing::AssertionFailure() << "not the oracle's integers";
      }
    }
  }
  return ::testing::AssertionSuccess();
}

TEST(QuantizeTest, EverySetRoundsToTheSameNearestIntegers) { expect_on_every_set(check_quantize); }

TEST(QuantizeTest, ANumberThatIsNotFiniteSpoilsItsBlockAndNoOther) {
  expect_on_every_set([](const KernelSet& set) -> ::testing::AssertionResult {
    for (float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
      std::vector<float> x(96, 1.0f);
      x[40] = bad;
      const Quantised q = quantise(set, matrix<const float>(x.data(), 1, 96), true);
      if (!std::isnan(q.scale[1]) || std::isnan(q.scale[0]) || std::isnan(q.scale[2])) {
        return ::testing::AssertionFailure() << "scales " << q.scale[0] << ", " << q.scale[1];
      }
      if (q.hi[0] != 127 || q.hi[32] != 0) return ::testing::AssertionFailure() << "codes";
    }
    return ::testing::AssertionSuccess();
  });
}

TEST(QuantizeTest, TheCheckCatchesAWrongSum) {
  KernelSet set = copy_of_scalar_set();
  ASSERT_TRUE(check_quantize(set));
  set.quantize = [](const float* x, int64_t stride, const simd::Activations& a) {
    copy_of_scalar_set().quantize(x, stride, a);
    a.sum[a.n_cols / 16 - 1] += 1;
  };
  EXPECT_FALSE(check_quantize(set));
}

}  // namespace
}  // namespace lowkey::testing
