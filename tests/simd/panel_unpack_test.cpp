#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/kernel_harness.h"
#include "tests/support/random_panels.h"

namespace lowkey::testing {
namespace {

using simd::KernelSet;
using simd::kPanelRows;

/// `panel` of `p` as [16, n_cols + 2]; 77 where unwritten.
struct Unpacked {
  std::vector<float> value;
  int64_t stride;
};

Unpacked unpack(const KernelSet& set, const RandomPanels& p, int64_t panel) {
  Unpacked out;
  out.stride = p.view.n_cols + 2;
  out.value.assign(size_t(kPanelRows * out.stride), 77.0f);
  set.unpack_f32(p.view, panel, out.value.data(), out.stride);
  return out;
}

::testing::AssertionResult compare(const RandomPanels& p, const Unpacked& out, int64_t panel) {
  for (int64_t r = 0; r < kPanelRows; ++r) {
    const int64_t row = panel * kPanelRows + r;
    for (int64_t c = 0; c < out.stride; ++c) {
      const size_t at = size_t(r * out.stride + c), i = size_t(row * p.view.n_cols + c);
      const bool inside = c < p.view.n_cols, real = row < p.view.n_rows;
      const double truth = !inside ? 77.0 : real ? p.weight[i] : 0.0;
      const double size = inside && real ? p.magnitude[i] : 0.0;
      if (std::abs(out.value[at] - truth) > 2 * 0x1p-24 * size) {
        return ::testing::AssertionFailure()
               << "row " << row << ", column " << c << ": " << out.value[at] << ", not " << truth;
      }
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_unpack(const KernelSet& set) {
  uint32_t seed = 1;
  for (const NamedFormat& named : all_formats()) {
    for (int64_t n_cols : {32, 96, 256, 288, 544}) {
      const int64_t odd = named.format.is_float() ? 5 : 0;
      const RandomPanels p = random_panels(named.format, 21, n_cols - odd, seed++);
      for (int64_t panel : {0, 1}) {
        auto result = compare(p, unpack(set, p, panel), panel);
        if (!result) return result << " (" << named.name << ", " << n_cols << " columns)";
      }
    }
  }
  return ::testing::AssertionSuccess();
}

TEST(PanelUnpackTest, GivesBackTheWeightsOnEverySet) { expect_on_every_set(check_unpack); }

TEST(PanelUnpackTest, TheCheckCatchesSwappedRows) {
  KernelSet set = copy_of_scalar_set();
  set.unpack_f32 = [](const simd::PanelMatrix& w, int64_t panel, float* out, int64_t stride) {
    copy_of_scalar_set().unpack_f32(w, panel, out, stride);
    for (int64_t c = 0; c < w.n_cols; ++c) std::swap(out[c], out[stride + c]);
  };
  EXPECT_FALSE(check_unpack(set));
}

}  // namespace
}  // namespace lowkey::testing
