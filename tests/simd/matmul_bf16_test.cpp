#include <gtest/gtest.h>

#include "base/cpu.h"
#include "base/half.h"
#include "simd/amx/ops.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/matmul_case.h"

namespace lowkey::testing {
namespace {

using simd::KernelSet;

::testing::AssertionResult check_format(MatmulBf16 matmul, const simd::PanelFormat& format) {
  for (MatmulCase test : matmul_cases(format)) {
    if (!test.with_lo) continue;  // of integers only
    test.n_cols = round_up(test.n_cols, simd::kBlockCols);
    auto result = check_matmul(matmul, test);
    if (!result) return result;
    test.n_tokens += 64;  // whole groups, and what is left over
    if (test.seed % 32 == 1) result = check_matmul(matmul, test);
    if (!result) return result;
  }
  return ::testing::AssertionSuccess();
}

std::vector<NamedFormat> formats_but_f32() {
  std::vector<NamedFormat> formats = all_formats();
  std::erase_if(
      formats, [](const NamedFormat& named) { return named.format.type == simd::PanelType::kF32; });
  return formats;
}

class MatmulBf16Test : public ::testing::TestWithParam<NamedFormat> {};

TEST_P(MatmulBf16Test, AgreesWithDoubleOnEverySet) {
  expect_on_every_set(
      [](const KernelSet& set) { return check_format(set.matmul_bf16, GetParam().format); });
}

#if defined(__x86_64__)
/// The tile kernel's indices, on a tile unit in plain C++.
TEST_P(MatmulBf16Test, AgreesWithDoubleOnEmulatedTiles) {
  if (!cpu_features().avx512_vnni) GTEST_SKIP() << "this CPU lacks AVX-512 VNNI";
  EXPECT_TRUE(check_format(simd::amx::matmul_bf16_emulated, GetParam().format));
}
#endif

INSTANTIATE_TEST_SUITE_P(Formats, MatmulBf16Test, ::testing::ValuesIn(formats_but_f32()),
                         [](const auto& named) { return std::string(named.param.name); });

/// As the scalar set, but a column short, or with weights that are not rounded.
void drops_last_column(const simd::PanelMatrix& w, Range panels, MatrixView<const uint16_t> x,
                       const simd::MatmulOut& out) {
  const std::vector<uint16_t> copy = without_last_column(x);
  copy_of_scalar_set().matmul_bf16(w, panels, {copy.data(), x.rows, x.cols, x.cols}, out);
}

void keeps_weights(const simd::PanelMatrix& w, Range panels, MatrixView<const uint16_t> x,
                   const simd::MatmulOut& out) {
  std::vector<float> copy;
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t c = 0; c < x.cols; ++c) copy.push_back(bf16_to_f32(x.row(t)[c]));
  }
  copy_of_scalar_set().matmul_float(w, panels, {copy.data(), x.rows, x.cols, x.cols}, out);
}

TEST(MatmulBf16SabotageTest, TheCheckCatchesAMissingColumnAndWeightsLeftAsTheyAre) {
  const simd::PanelFormat format = quantised_formats().front().format;
  ASSERT_TRUE(check_format(copy_of_scalar_set().matmul_bf16, format));
  EXPECT_FALSE(check_format(drops_last_column, format));
  EXPECT_FALSE(check_format(keeps_weights, format));
}

}  // namespace
}  // namespace lowkey::testing
