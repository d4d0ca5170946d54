// Tiny SentencePiece models through GGUF give the ids of SentencePiece (recipe: golden/tokenizer).
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file_map.h"
#include "models/gguf/file.h"
#include "models/tokenizer/from_gguf.h"
#include "models/tokenizer/sentencepiece.h"
#include "tests/support/assets.h"
#include "tests/support/gguf_writer.h"

namespace lowkey::models {
namespace {

using nlohmann::json;

Result<Tokenizer> tokenizer_of(const testing::GgufWriter& writer) {
  const std::string bytes = writer.bytes();
  LK_ASSIGN(const auto directory, gguf::parse(std::as_bytes(std::span(bytes)), "test"));
  return tokenizer_from_gguf(directory.metadata);
}

testing::GgufWriter writer_of(const std::string& name, const json& model) {
  testing::GgufWriter writer;
  writer.add_string("tokenizer.ggml.model", name.substr(0, name.find(' ')));
  writer.add_strings("tokenizer.ggml.tokens", model["pieces"].get<std::vector<std::string>>());
  writer.add_floats("tokenizer.ggml.scores", model["scores"].get<std::vector<float>>());
  writer.add_ints("tokenizer.ggml.token_type", model["kinds"].get<std::vector<int32_t>>());
  writer.add_u32("tokenizer.ggml.unknown_token_id", 0);
  writer.add_u32("tokenizer.ggml.bos_token_id", 1);
  writer.add_u32("tokenizer.ggml.eos_token_id", 2);
  writer.add_bool("tokenizer.ggml.add_space_prefix", true);
  writer.add_bool("tokenizer.ggml.remove_extra_whitespaces", model["collapse"].get<bool>());
  return writer;
}

json golden() {
  return json::parse(
      *read_text_file(testing::source_path("tests/golden/tokenizer/sentencepiece.json")));
}

class SentencePieceTest : public ::testing::TestWithParam<const char*> {};

TEST_P(SentencePieceTest, IdsAndTextsAsInTheReference) {
  const json model = golden()[GetParam()];
  const auto tokenizer = tokenizer_of(writer_of(GetParam(), model));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  ASSERT_GT(model["cases"].size(), 10u);
  for (const json& entry : model["cases"]) {
    const auto ids = tokenizer->encode(entry["text"].get<std::string>());
    ASSERT_TRUE(ids.ok()) << ids.error().message();
    EXPECT_EQ(*ids, entry["ids"].get<std::vector<int32_t>>()) << entry["text"];
    const bool has_unknown = std::find(ids->begin(), ids->end(), 0) != ids->end();
    if (!has_unknown) {
      EXPECT_EQ(tokenizer->decode(*ids), entry["decoded"].get<std::string>());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, SentencePieceTest, ::testing::Values("llama", "t5", "t5 collapsing"));

TEST(SentencePiece, AddsAndDropsTheMarksAsTold) {
  const auto tokenizer = tokenizer_of(writer_of("llama", golden()["llama"]));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  EXPECT_TRUE(tokenizer->adds_bos());  // the default of this kind
  const auto ids = tokenizer->encode("the fox</s>the dog", {true, true});
  ASSERT_TRUE(ids.ok()) << ids.error().message();
  EXPECT_EQ(ids->front(), 1);
  EXPECT_EQ(std::count(ids->begin(), ids->end(), 2), 1);
  EXPECT_EQ(tokenizer->decode(*ids), "the foxthe dog");
  EXPECT_EQ(tokenizer->decode(*ids, true), "<s>the fox</s>the dog");
  EXPECT_TRUE(tokenizer->is_end(2));
}

TEST(SentencePiece, AnyBytesComeBack) {
  const auto tokenizer = tokenizer_of(writer_of("llama", golden()["llama"]));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  std::string text;
  for (int i = 0; i < 512; ++i) text += char(i * 7 ^ (i >> 3));
  const auto ids = tokenizer->encode(text);
  ASSERT_TRUE(ids.ok()) << ids.error().message();
  EXPECT_EQ(tokenizer->decode(*ids), text);
}

TEST(SentencePiece, NormalisationThatIsNotDoneIsSaid) {
  auto writer = writer_of("t5", golden()["t5"]);
  writer.add("tokenizer.ggml.precompiled_charsmap", 9,
             testing::raw(uint32_t{0}) + testing::raw(uint64_t{4}) + "abcd");
  const auto tokenizer = tokenizer_of(writer);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  EXPECT_TRUE(tokenizer->encode("the dog").ok());
  const auto ids = tokenizer->encode("\uFB01");
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.error().code, ErrorCode::kUnsupported);
}

TEST(SentencePiece, MalformedByteTokensAreErrors) {
  for (const char* piece : {"<0x-1>", "<0x1>", "<0xGG>", "<0x100>", "0x41", "<0x4 >", ""}) {
    EXPECT_EQ(byte_of_piece(piece), std::nullopt) << piece;
    json model = golden()["llama"];
    const auto kinds = model["kinds"].get<std::vector<int>>();
    const auto at = std::find(kinds.begin(), kinds.end(), 6) - kinds.begin();
    model["pieces"][size_t(at)] = piece;
    const auto tokenizer = tokenizer_of(writer_of("llama", model));
    ASSERT_FALSE(tokenizer.ok()) << piece;
    EXPECT_NE(tokenizer.error().what.find("byte token"), std::string::npos);
  }
  EXPECT_EQ(byte_of_piece("<0x0A>"), 10);
}

TEST(GgufTokenizer, TablesThatContradictAreErrors) {
  const json model = golden()["llama"];
  const auto base = [&] { return writer_of("llama", model); };
  std::vector<std::pair<std::string, testing::GgufWriter>> cases;
  auto bend = [&](const std::string& word, auto change) {
    cases.emplace_back(word, base());
    change(cases.back().second);
  };
  using testing::GgufWriter;
  using testing::raw;
  bend("scores", [](GgufWriter& w) {
    w.replace("tokenizer.ggml.scores", 9, raw(uint32_t{6}) + raw(uint64_t{1}) + raw(1.0f));
  });
  bend("token_type", [](GgufWriter& w) {
    w.replace("tokenizer.ggml.token_type", 9,
              raw(uint32_t{5}) + raw(uint64_t{1}) + raw(int32_t{1}));
  });
  bend("tokens", [](GgufWriter& w) {
    w.replace("tokenizer.ggml.tokens", 9, raw(uint32_t{8}) + raw(uint64_t{0}));
  });
  bend("eos_token_id",
       [](GgufWriter& w) { w.replace("tokenizer.ggml.eos_token_id", 4, raw(uint32_t{99999})); });
  bend("tokenizer.ggml.model",
       [](GgufWriter& w) { w.replace("tokenizer.ggml.model", 8, testing::gguf_string("bert")); });
  bend("merges",
       [](GgufWriter& w) { w.replace("tokenizer.ggml.model", 8, testing::gguf_string("gpt2")); });
  for (const auto& [word, writer] : cases) {
    const auto tokenizer = tokenizer_of(writer);
    ASSERT_FALSE(tokenizer.ok()) << word;
    EXPECT_NE(tokenizer.error().message().find(word), std::string::npos)
        << tokenizer.error().message();
  }
}

}  // namespace
}  // namespace lowkey::models
