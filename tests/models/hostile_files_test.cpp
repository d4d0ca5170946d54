// The fuzz targets' bodies on the kept corpus and on mutations of it, so that every build and
// every sanitizer runs them, not only libFuzzer.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "base/file_map.h"
#include "tests/fuzz/parsers.h"
#include "tests/support/assets.h"
#include "tests/support/bytes.h"
#include "tests/support/gguf_writer.h"

namespace lowkey::testing {
namespace {

using Target = bool (*)(std::span<const std::byte>);

std::vector<std::string> corpus(const std::string& name) {
  std::vector<std::string> out;
  for (const auto& entry :
       std::filesystem::directory_iterator(source_path("tests/fuzz/corpus/" + name))) {
    auto text = read_text_file(entry.path().string());
    EXPECT_TRUE(text.ok()) << entry.path();
    if (text.ok()) out.push_back(std::move(text).value());
  }
  return out;
}

/// One to four changes: a flipped bit, a byte or a 64-bit word of an extreme value, a cut.
std::string mutated(std::string text, std::mt19937_64& random) {
  constexpr uint64_t kExtremes[] = {0, 1, 0x7fffffff, 0xffffffff, uint64_t{1} << 61, ~uint64_t{0}};
  for (uint64_t n = 1 + random() % 4; n > 0 && text.size() > 8; --n) {
    const size_t at = random() % (text.size() - 8);
    switch (random() % 4) {
      case 0:
        text[at] = char(text[at] ^ (1 << random() % 8));
        break;
      case 1:
        text[at] = char(random());
        break;
      case 2:
        text.replace(at, 8, raw(kExtremes[random() % std::size(kExtremes)]));
        break;
      default:
        text.resize(text.size() - random() % 8);
        break;
    }
  }
  return text;
}

void replay(const std::string& name, Target target) {
  const std::vector<std::string> inputs = corpus(name);
  ASSERT_GE(inputs.size(), 3u) << "the kept corpus of " << name;
  int n_whole = 0, n_refused = 0;
  std::mt19937_64 random(7);
  for (const std::string& input : inputs) {
    n_whole += target(exact_bytes(input));
    for (int i = 0; i < 300; ++i) n_refused += !target(exact_bytes(mutated(input, random)));
  }
  EXPECT_GE(n_whole, 3) << "the corpus holds models that load";
  EXPECT_GT(n_refused, 100) << "mutations do harm";
}

TEST(HostileFiles, GgufNeverCrashes) { replay("gguf", fuzz_gguf); }
TEST(HostileFiles, SafetensorsNeverCrashes) { replay("safetensors", fuzz_safetensors); }

}  // namespace
}  // namespace lowkey::testing
