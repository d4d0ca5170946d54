// One matrix product against its truth in double, with a tolerance from the number of roundings.
#pragma once

#include <gtest/gtest.h>

#include "simd/kernel_set.h"
#include "tests/support/random_panels.h"

namespace lowkey::testing {

struct MatmulCase {
  simd::PanelFormat format;
  int64_t n_rows = 1;
  int64_t n_cols = 32;
  int64_t n_tokens = 1;
  bool with_lo = true;  // quantised activations only
  bool accumulate = false;
  Range panels{0, -1};  // end -1: all
  uint32_t seed = 1;

  std::string describe() const;
};

using MatmulQuantized = void (*)(const simd::PanelMatrix&, Range, const simd::Activations&,
                                 const simd::MatmulOut&);
using MatmulFloat = void (*)(const simd::PanelMatrix&, Range, MatrixView<const float>,
                             const simd::MatmulOut&);
using MatmulBf16 = void (*)(const simd::PanelMatrix&, Range, MatrixView<const uint16_t>,
                            const simd::MatmulOut&);

/// Results within (n + 8) eps sum |w| |x| of the truth, n the number of sums in f32; nothing
/// written outside the range of rows.
::testing::AssertionResult check_matmul(MatmulQuantized matmul, const MatmulCase& test);
::testing::AssertionResult check_matmul(MatmulFloat matmul, const MatmulCase& test);
/// The truth has weights rounded to bf16; where one lies between two of them, either will do.
::testing::AssertionResult check_matmul(MatmulBf16 matmul, const MatmulCase& test);

/// A copy of x whose last column is 0: what a kernel sees that forgets it.
template <class X>
std::vector<X> without_last_column(MatrixView<const X> x) {
  std::vector<X> copy;
  for (int64_t t = 0; t < x.rows; ++t) {
    copy.insert(copy.end(), x.row(t), x.row(t) + x.cols);
    copy.back() = X(0);
  }
  return copy;
}

/// Cases that cover tails of rows, slabs of columns, tiles of tokens, ranges and accumulation.
std::vector<MatmulCase> matmul_cases(const simd::PanelFormat& format);

}  // namespace lowkey::testing
