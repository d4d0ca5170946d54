// Ids of the real SmolLM2 model equal those of an independent implementation.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file_map.h"
#include "base/newlines.h"
#include "base/sha256.h"
#include "models/tokenizer/tokenizer.h"
#include "tests/support/assets.h"

namespace lowkey::models {
namespace {

using nlohmann::json;

class SmolTokenizer : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto path = testing::test_model_path();
    if (!path) GTEST_SKIP() << "no SmolLM2 model file on this machine";
    auto tokenizer = tokenizer_for_model(*path);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
    tokenizer_ = std::move(tokenizer).value();
  }

  std::vector<int32_t> ids_of(std::string_view text, bool parse_special = false) {
    auto ids = tokenizer_->encode(text, {parse_special, false});
    EXPECT_TRUE(ids.ok()) << ids.error().message();
    return ids.ok() ? *ids : std::vector<int32_t>();
  }

  std::optional<Tokenizer> tokenizer_;
};

TEST_F(SmolTokenizer, HardTextsHaveTheGoldenIds) {
  const auto path = testing::shared_path("golden/smollm2-135m/tokenizer.json");
  if (!path) GTEST_SKIP() << "no golden data beside the source";
  const json golden = json::parse(*read_text_file(*path));
  ASSERT_GT(golden.size(), 10u);
  for (const json& entry : golden) {
    const auto text = entry["text"].get<std::string>();
    EXPECT_EQ(ids_of(text), entry["ids"].get<std::vector<int32_t>>()) << text;
    EXPECT_EQ(tokenizer_->decode(ids_of(text)), text);
  }
}

TEST_F(SmolTokenizer, WholeWikiTestHasTheGoldenHash) {
  const auto golden_path = testing::shared_path("golden/smollm2-135m/wiki_test_tokens.json");
  const auto text_path = testing::shared_path("data/wiki.test.raw");
  if (!golden_path || !text_path) GTEST_SKIP() << "no golden data beside the source";
  const json golden = json::parse(*read_text_file(*golden_path));
  const std::string text = with_unix_newlines(*read_text_file(*text_path));
  const auto ids = ids_of(text);
  ASSERT_EQ(ids.size(), golden["n_tokens"].get<size_t>());
  const auto first = golden["first_2048"].get<std::vector<int32_t>>();
  EXPECT_EQ(std::vector<int32_t>(ids.begin(), ids.begin() + 2048), first);
  std::string little_endian;
  for (int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) little_endian += char(uint32_t(id) >> shift);
  }
  EXPECT_EQ(sha256_hex(std::as_bytes(std::span(little_endian))),
            golden["sha256_of_ids_as_le_u32"].get<std::string>());
  EXPECT_EQ(tokenizer_->decode(ids), text);
}

TEST_F(SmolTokenizer, SpecialTokensOnlyWhenAskedFor) {
  const std::string text = "<|im_start|>user\nHi<|im_end|>";
  EXPECT_EQ(ids_of(text, true).front(), 1);
  EXPECT_EQ(ids_of(text, true).back(), 2);
  const auto plain = ids_of(text);
  for (int32_t id : plain) EXPECT_FALSE(tokenizer_->is_special(id));
  EXPECT_EQ(tokenizer_->decode(plain), text);
  EXPECT_EQ(tokenizer_->decode(ids_of(text, true), true), text);
  EXPECT_EQ(tokenizer_->decode(ids_of(text, true)), "user\nHi");
}

TEST_F(SmolTokenizer, KnowsItsOwnMarks) {
  EXPECT_EQ(tokenizer_->n_vocab(), 49152);
  EXPECT_EQ(tokenizer_->bos(), 1);
  EXPECT_EQ(tokenizer_->eos(), 2);
  EXPECT_FALSE(tokenizer_->adds_bos());
  EXPECT_TRUE(tokenizer_->is_end(2));
  EXPECT_FALSE(tokenizer_->is_end(1));
  EXPECT_EQ(tokenizer_->find("<|im_end|>"), 2);
  EXPECT_EQ(tokenizer_->find("<|no_such|>"), std::nullopt);
  EXPECT_EQ(tokenizer_->piece_bytes(2), "<|im_end|>");
  EXPECT_NE(tokenizer_->chat_template().find("add_generation_prompt"), std::string::npos);
}

}  // namespace
}  // namespace lowkey::models
