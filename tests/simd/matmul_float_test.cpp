#include <gtest/gtest.h>

#include "tests/support/kernel_harness.h"
#include "tests/support/matmul_case.h"

namespace lowkey::testing {
namespace {

using simd::KernelSet;

::testing::AssertionResult check_format(const KernelSet& set, const simd::PanelFormat& format) {
  for (MatmulCase test : matmul_cases(format)) {
    if (!test.with_lo) continue;
    if (format.is_float()) test.n_cols -= test.seed % 7;  // any number of columns will do
    auto result = check_matmul(set.matmul_float, test);
    if (!result) return result;
  }
  return ::testing::AssertionSuccess();
}

class MatmulFloatTest : public ::testing::TestWithParam<NamedFormat> {};

TEST_P(MatmulFloatTest, AgreesWithDoubleOnEverySet) {
  expect_on_every_set([](const KernelSet& set) { return check_format(set, GetParam().format); });
}

INSTANTIATE_TEST_SUITE_P(Formats, MatmulFloatTest, ::testing::ValuesIn(all_formats()),
                         [](const auto& named) { return std::string(named.param.name); });

void drops_last_column(const simd::PanelMatrix& w, Range panels, MatrixView<const float> x,
                       const simd::MatmulOut& out) {
  const std::vector<float> copy = without_last_column(x);
  copy_of_scalar_set().matmul_float(w, panels, {copy.data(), x.rows, x.cols, x.cols}, out);
}

TEST(MatmulFloatSabotageTest, TheCheckCatchesAMissingColumn) {
  KernelSet set = copy_of_scalar_set();
  ASSERT_TRUE(check_format(set, all_formats().back().format));
  set.matmul_float = drops_last_column;
  EXPECT_FALSE(check_format(set, all_formats().back().format));
}

}  // namespace
}  // namespace lowkey::testing
