#include <gtest/gtest.h>

#include "base/cpu.h"
#include "simd/amx/ops.h"
#include "tests/support/matmul_case.h"

namespace lowkey::testing {
namespace {

#if defined(__x86_64__)
class MatmulTilesTest : public ::testing::TestWithParam<NamedFormat> {};

/// The tile kernel's indices, on a tile unit in plain C++.
TEST_P(MatmulTilesTest, AgreesWithDoubleOnEmulatedTiles) {
  if (!cpu_features().avx512_vnni) GTEST_SKIP() << "this CPU lacks AVX-512 VNNI";
  for (MatmulCase test : matmul_cases(GetParam().format)) {
    ASSERT_TRUE(check_matmul(simd::amx::matmul_quantized_emulated, test));
    test.n_tokens += 64;  // one whole group, and what is left over
    if (test.seed % 8 != 0) continue;
    ASSERT_TRUE(check_matmul(simd::amx::matmul_quantized_emulated, test));
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, MatmulTilesTest, ::testing::ValuesIn(quantised_formats()),
                         [](const auto& named) { return std::string(named.param.name); });
#endif

}  // namespace
}  // namespace lowkey::testing
