// tokenizer.json as Hugging Face's library reads it (recipe: golden/tokenizer/make_json.py).
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file_map.h"
#include "models/tokenizer/from_json.h"
#include "tests/support/assets.h"

namespace lowkey::models {
namespace {

using nlohmann::json;

json golden() {
  return json::parse(
      *read_text_file(testing::source_path("tests/golden/tokenizer/json_tokenizers.json")));
}

Result<Tokenizer> tokenizer_of(const json& tokenizer, const json& config = nullptr) {
  TokenizerFiles files;
  files.tokenizer = tokenizer.dump();
  if (!config.is_null()) files.config = config.dump();
  return tokenizer_from_json(files, "tokenizer.json");
}

class JsonTokenizerTest : public ::testing::TestWithParam<const char*> {};

TEST_P(JsonTokenizerTest, IdsAsInTheReference) {
  const json model = golden()[GetParam()];
  const auto tokenizer = tokenizer_of(model["tokenizer"]);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  ASSERT_GT(model["cases"].size(), 8u);
  for (const json& entry : model["cases"]) {
    const auto text = entry["text"].get<std::string>();
    const auto ids = tokenizer->encode(text, {true, false});
    ASSERT_TRUE(ids.ok()) << ids.error().message();
    EXPECT_EQ(*ids, entry["ids"].get<std::vector<int32_t>>()) << text;
    const auto with_bos = tokenizer->encode(text, {true, tokenizer->adds_bos()});
    EXPECT_EQ(*with_bos, entry["with_bos"].get<std::vector<int32_t>>()) << text;
    if (text.find("<mask>") == std::string::npos) {  // it swallows the space before it
      EXPECT_EQ(tokenizer->decode(*ids, true), text);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, JsonTokenizerTest, ::testing::Values("digits", "template"));

TEST(JsonTokenizer, ConfigNamesMarksAndTemplate) {
  const json config = {
      {"bos_token", "<|im_start|>"},
      {"eos_token", {{"content", "<|im_end|>"}}},
      {"add_bos_token", false},
      {"chat_template", json::array({{{"name", "tool"}, {"template", "no"}},
                                     {{"name", "default"}, {"template", "yes"}}})}};
  const auto tokenizer = tokenizer_of(golden()["template"]["tokenizer"], config);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_FALSE(tokenizer->adds_bos());
  EXPECT_TRUE(tokenizer->is_end(2));
  EXPECT_EQ(tokenizer->chat_template(), "yes");
  EXPECT_EQ(tokenizer->find("<tool>").has_value(), true);
  EXPECT_FALSE(tokenizer->is_special(*tokenizer->find("<tool>")));
}

TEST(JsonTokenizer, FolderOfAModel) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(tokenizer_for_model(folder.path()).error().code, ErrorCode::kNotFound);
  folder.write("tokenizer.json", golden()["digits"]["tokenizer"].dump());
  folder.write("tokenizer_config.json", R"({"eos_token": "<|im_end|>", "chat_template": "old"})");
  folder.write("chat_template.jinja", "new");
  for (const std::string& path : {folder.path(), folder.path("model.safetensors")}) {
    const auto tokenizer = tokenizer_for_model(path);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
    EXPECT_EQ(tokenizer->eos(), 2);
    EXPECT_EQ(tokenizer->chat_template(), "new");
  }
}

TEST(JsonTokenizer, SplitsOfAllKinds) {
  auto words = [](const json& pre) {
    std::vector<std::string> out;
    const auto parsed = pre_tokenizer_from_json(pre.dump(), "test");
    if (!parsed.ok()) return out;
    RegexScratch scratch;
    const Status status = parsed->words.split(
        "a, b12", scratch, [&](std::string_view word) { out.emplace_back(word); });
    EXPECT_TRUE(status.ok());
    return out;
  };
  using Words = std::vector<std::string>;
  const json literal = {
      {"type", "Split"}, {"pattern", {{"String", ","}}}, {"behavior", "Isolated"}};
  EXPECT_EQ(words(literal), (Words{"a", ",", " b12"}));
  json removed = literal;
  removed["behavior"] = "Removed";
  EXPECT_EQ(words(removed), (Words{"a", " b12"}));
  removed["invert"] = true;
  EXPECT_EQ(words(removed), (Words{","}));
  EXPECT_EQ(words({{"type", "Digits"}, {"individual_digits", false}}), (Words{"a, b", "12"}));
  EXPECT_EQ(words({{"type", "Digits"}, {"individual_digits", true}}), (Words{"a, b", "1", "2"}));
}

TEST(JsonTokenizer, WhatCannotBeReadIsAnError) {
  const json good = golden()["digits"]["tokenizer"];
  std::vector<std::pair<std::string, json>> cases;
  auto bend = [&](const char* word, const char* pointer, json value) {
    cases.emplace_back(word, good);
    cases.back().second[json::json_pointer(pointer)] = std::move(value);
  };
  bend("model.type", "/model/type", "Unigram");
  bend("SentencePiece", "/model/byte_fallback", true);
  bend("end_of_word_suffix", "/model/end_of_word_suffix", "</w>");
  bend("normalizer", "/normalizer", {{"type", "Lowercase"}});
  bend("pre_tokenizer", "/pre_tokenizer", {{"type", "Whitespace"}});
  bend("pre_tokenizer", "/pre_tokenizer", nullptr);
  bend("ByteLevel", "/pre_tokenizer", {{"type", "Digits"}});
  bend("model.vocab", "/model/vocab", json::array());
  bend("model.vocab", "/model/vocab/far", 2000000000);
  bend("model.vocab", "/model/vocab/twice", 5);
  bend("model.vocab", "/model/vocab/minus", -1);
  bend("model.merges", "/model/merges", "none");
  bend("model.merges", "/model/merges/0", 7);
  bend("merge 0", "/model/merges/0", json::array({"no", "such"}));
  bend("added_tokens", "/added_tokens", 1);
  bend("added_tokens", "/added_tokens/0/id", "x");
  bend("added_tokens", "/added_tokens/0/content", "");
  bend("single_word", "/added_tokens/0/single_word", true);
  for (const auto& [word, tokenizer] : cases) {
    const auto result = tokenizer_of(tokenizer);
    ASSERT_FALSE(result.ok()) << word;
    EXPECT_NE(result.error().message().find(word), std::string::npos) << result.error().message();
    EXPECT_EQ(result.error().exit_code(), 2);
  }
  TokenizerFiles files;
  for (const char* text : {"", "{", "[]", "null", "{\"model\":[]}"}) {
    files.tokenizer = text;
    EXPECT_FALSE(tokenizer_from_json(files, "x").ok()) << text;
  }
}

}  // namespace
}  // namespace lowkey::models
