#include <gtest/gtest.h>

#include "simd/select.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/matmul_case.h"

namespace lowkey::testing {
namespace {

using simd::Activations;
using simd::KernelSet;
using simd::MatmulOut;
using simd::PanelMatrix;

::testing::AssertionResult check_format(const KernelSet& set, const simd::PanelFormat& format) {
  for (const MatmulCase& test : matmul_cases(format)) {
    auto result = check_matmul(set.matmul_quantized, test);
    if (!result) return result;
  }
  return ::testing::AssertionSuccess();
}

class MatmulQuantizedTest : public ::testing::TestWithParam<NamedFormat> {};

TEST_P(MatmulQuantizedTest, AgreesWithDoubleOnEverySet) {
  expect_on_every_set([](const KernelSet& set) { return check_format(set, GetParam().format); });
}

INSTANTIATE_TEST_SUITE_P(Formats, MatmulQuantizedTest, ::testing::ValuesIn(quantised_formats()),
                         [](const auto& named) { return std::string(named.param.name); });

void scalar_matmul(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  copy_of_scalar_set().matmul_quantized(w, panels, a, out);
}

void slightly_off(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  scalar_matmul(w, panels, a, out);
  if (a.n_tokens > 2 && panels.size() > 0) out.y[2 * out.stride] *= 1.0001f;
}

void writes_padding(const PanelMatrix& w, Range panels, const Activations& a,
                    const MatmulOut& out) {
  scalar_matmul(w, panels, a, out);
  if (a.n_tokens > 0 && w.n_rows % 16 != 0) out.y[w.n_rows] = 0.0f;
}

void ignores_lo(const PanelMatrix& w, Range panels, const Activations& a, const MatmulOut& out) {
  Activations hi_only = a;
  hi_only.lo = nullptr;
  scalar_matmul(w, panels, hi_only, out);
}

void never_accumulates(const PanelMatrix& w, Range panels, const Activations& a,
                       const MatmulOut& out) {
  scalar_matmul(w, panels, a, {out.y, out.stride, false});
}

TEST(MatmulQuantizedSabotageTest, TheCheckCatchesEveryKindOfDamage) {
  for (auto wrong : {slightly_off, writes_padding, ignores_lo, never_accumulates}) {
    KernelSet set = copy_of_scalar_set();
    ASSERT_TRUE(check_format(set, quantised_formats()[0].format));
    set.matmul_quantized = wrong;
    EXPECT_FALSE(check_format(set, quantised_formats()[0].format));
  }
}

}  // namespace
}  // namespace lowkey::testing
