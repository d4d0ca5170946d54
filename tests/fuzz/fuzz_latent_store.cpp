#include <cstdint>

#include "base/check.h"
#include "simd/select.h"
#include "tests/support/store_script.h"

// Blocks, cuts, forks and reads in any order: the cache must stay equal to one filled in one go.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto kernels = lowkey::simd::select_kernel_set("scalar");
  LK_CHECK(kernels.ok(), "the scalar set is always there");
  // Twenty actions go over both page boundaries; longer scripts only repeat themselves, slowly.
  const size_t n = size < 48 ? size : 48;
  const auto outcome = lowkey::testing::play_store_script({data, n}, **kernels);
  LK_CHECK(outcome.failure.empty(), outcome.failure.c_str());
  return 0;
}
