#include <cstdint>

#include "tests/fuzz/parsers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  lowkey::testing::fuzz_gguf(std::as_bytes(std::span(data, size)));
  return 0;
}
