// Words of the pre-tokenisers equal those of Hugging Face's tokenizers (recipe: golden/tokenizer).
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file_map.h"
#include "models/tokenizer/pre_tokenizer.h"
#include "tests/support/assets.h"

namespace lowkey::models {
namespace {

using nlohmann::json;

std::vector<std::string> words_of(const PreTokenizer& pre, std::string_view text) {
  RegexScratch scratch;
  std::vector<std::string> words;
  const Status status =
      pre.split(text, scratch, [&](std::string_view word) { words.emplace_back(word); });
  EXPECT_TRUE(status.ok()) << status.error().message();
  return words;
}

class SplitTest : public ::testing::TestWithParam<const char*> {};

TEST_P(SplitTest, NastyTextsSplitAsInTheReference) {
  const auto text = read_text_file(testing::source_path("tests/golden/tokenizer/splits.json"));
  ASSERT_TRUE(text.ok()) << text.error().message();
  const auto pre = PreTokenizer::named(GetParam());
  ASSERT_TRUE(pre.ok()) << pre.error().message();
  const json golden = json::parse(*text);
  ASSERT_GT(golden.size(), 30u);
  for (const json& entry : golden) {
    EXPECT_EQ(words_of(*pre, entry["text"].get<std::string>()),
              entry[GetParam()].get<std::vector<std::string>>())
        << entry["text"];
  }
}

INSTANTIATE_TEST_SUITE_P(All, SplitTest,
                         ::testing::Values("gpt-2", "smollm", "llama-bpe", "qwen2"));

TEST(PreTokenizer, UnknownNameListsTheKnownOnes) {
  const auto pre = PreTokenizer::named("no-such");
  ASSERT_FALSE(pre.ok());
  EXPECT_EQ(pre.error().code, ErrorCode::kUnsupported);
  for (const char* name : {"gpt-2", "default", "smollm", "llama-bpe", "qwen2", "no-such"}) {
    EXPECT_NE(pre.error().what.find(name), std::string::npos) << name;
  }
}

TEST(PreTokenizer, BrokenUtf8IsKept) {
  const auto pre = PreTokenizer::named("llama-bpe");
  ASSERT_TRUE(pre.ok()) << pre.error().message();
  const std::string text =
      "ab\xFF\xFE"
      "c \xE2\x82 d\xED\xA0\x80\xC0\x80 \xF0\x9F\x98";
  std::string joined;
  for (const std::string& word : words_of(*pre, text)) joined += word;
  EXPECT_EQ(joined, text);
}

TEST(PreTokenizer, LongRunsStayLinear) {
  const auto pre = PreTokenizer::named("llama-bpe");
  ASSERT_TRUE(pre.ok()) << pre.error().message();
  for (const char* unit : {" ", "a", "!", "\n", "\xF0\x9F\x98\x80", "\xCC\x81"}) {
    std::string text;
    for (int i = 0; i < 300000; ++i) text += unit;
    EXPECT_EQ(words_of(*pre, text).size(), 1u) << unit;
  }
}

TEST(Regex, BadPatternsAreErrors) {
  for (const char* pattern : {"(", "[a", "a{2,1}", "\\p{Nonsense}", "(?<!a+)b", "\\Ca"}) {
    const auto regex = Regex::compile(pattern);
    ASSERT_FALSE(regex.ok()) << pattern;
    EXPECT_EQ(regex.error().code, ErrorCode::kInvalidData);
  }
}

TEST(Regex, HopelessBacktrackingGivesUp) {
  const auto regex = Regex::compile("(a+)+$");
  ASSERT_TRUE(regex.ok()) << regex.error().message();
  RegexScratch scratch;
  const std::string text = std::string(60, 'a') + "!";
  const Status status = regex->split(text, scratch, [](std::string_view, bool) {});
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().what.find("gave up"), std::string::npos);
}

}  // namespace
}  // namespace lowkey::models
