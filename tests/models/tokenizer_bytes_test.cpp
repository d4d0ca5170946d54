// Bytes in, the same bytes out: whole, and while they stream.
#include <gtest/gtest.h>

#include <random>

#include "models/tokenizer/byte_bpe.h"
#include "models/tokenizer/byte_map.h"
#include "models/tokenizer/stream_decoder.h"
#include "models/tokenizer/utf8.h"

namespace lowkey::models {
namespace {

/// All bytes (ids 0..255), a few merges, one control and one user-defined token.
Tokenizer byte_tokenizer(ByteBpeOptions options = {}) {
  std::vector<std::string> texts;
  for (int byte = 0; byte < 256; ++byte) texts.push_back(byte_level_of(uint8_t(byte)));
  const std::string space = byte_level_of(' ');
  texts.insert(texts.end(), {"th", "the", space + "the", "hello"});
  const std::vector<std::pair<std::string, std::string>> merges = {
      {"t", "h"}, {"th", "e"}, {space, "the"}};
  TokenizerParts parts;
  for (const std::string& text : texts) {
    parts.tokens.push_back({*bytes_of_byte_level(text), TokenKind::kNormal, 0, false, false});
  }
  parts.tokens.push_back({"<end>", TokenKind::kControl, 0, false, false});
  parts.tokens.push_back({"<tool>", TokenKind::kUserDefined, 0, false, false});
  parts.tokens.push_back({"<tool>>", TokenKind::kUserDefined, 0, false, false});
  parts.eos = 260;
  auto bpe = ByteBpe::create(texts, merges, *PreTokenizer::named("gpt-2"), options);
  parts.model = std::move(bpe).value();
  return Tokenizer(std::move(parts));
}

std::vector<int32_t> ids_of(const Tokenizer& tokenizer, std::string_view text,
                            EncodeOptions options = {}) {
  const auto ids = tokenizer.encode(text, options);
  EXPECT_TRUE(ids.ok()) << ids.error().message();
  return ids.ok() ? *ids : std::vector<int32_t>();
}

TEST(ByteBpe, MergesInOrderOfRank) {
  const Tokenizer tokenizer = byte_tokenizer();
  using Ids = std::vector<int32_t>;
  EXPECT_EQ(ids_of(tokenizer, "the the"), (Ids{257, 258}));
  EXPECT_EQ(ids_of(tokenizer, "hello"), (Ids{'h', 'e', 'l', 'l', 'o'}));
  ByteBpeOptions whole;
  whole.whole_words_first = true;
  EXPECT_EQ(ids_of(byte_tokenizer(whole), "hello"), (Ids{259}));
  ByteBpeOptions prefix;
  prefix.prefix_space = true;
  EXPECT_EQ(ids_of(byte_tokenizer(prefix), "the"), (Ids{258}));
}

TEST(ByteBpe, MergeOfUnknownTokenIsAnError) {
  const auto bpe = ByteBpe::create({"a", "b"}, {{"a", "b"}}, PreTokenizer(), {});
  ASSERT_FALSE(bpe.ok());
  EXPECT_NE(bpe.error().message().find("merge 0"), std::string::npos);
  EXPECT_NE(bpe.error().message().find("'ab'"), std::string::npos);
}

TEST(ByteBpe, AnyBytesComeBack) {
  const Tokenizer tokenizer = byte_tokenizer();
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (int i = 0; i < round; ++i) text += char(random() >> (round % 3 ? 24 : 20));
    EXPECT_EQ(tokenizer.decode(ids_of(tokenizer, text)), text);
  }
}

TEST(SpecialTokens, LongestFirstAndControlOnlyWhenAsked) {
  const Tokenizer tokenizer = byte_tokenizer();
  using Ids = std::vector<int32_t>;
  EXPECT_EQ(ids_of(tokenizer, "<tool>><tool>"), (Ids{262, 261}));
  EXPECT_EQ(ids_of(tokenizer, "<end>", {true, false}), (Ids{260}));
  EXPECT_EQ(ids_of(tokenizer, "<end>").size(), 5u);
  EXPECT_EQ(tokenizer.decode(Ids{'a', 260, 261}), "a<tool>");
  EXPECT_EQ(tokenizer.decode(Ids{'a', 260, -1, 99999}, true), "a<end>");
  EXPECT_TRUE(tokenizer.is_end(260));
  EXPECT_TRUE(tokenizer.is_special(260));
  EXPECT_FALSE(tokenizer.is_special(261));
}

TEST(Tokenizer, BosMustExistToBeAdded) {
  const auto ids = byte_tokenizer().encode("x", {false, true});
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.error().code, ErrorCode::kInvalidArgument);
}

TEST(StreamDecoder, NeverHalfACharacter) {
  const Tokenizer tokenizer = byte_tokenizer();
  const std::string text = "a\u00e9\u65e5\U0001F600 z";
  StreamDecoder decoder(tokenizer);
  std::string joined;
  for (char byte : text) {
    const std::string part = decoder.push(uint8_t(byte));
    EXPECT_EQ(valid_utf8_prefix(part), part.size());
    joined += part;
  }
  EXPECT_EQ(joined, text);
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, BrokenBytesBecomeReplacements) {
  const Tokenizer tokenizer = byte_tokenizer();
  auto streamed = [&](std::string_view bytes) {
    StreamDecoder decoder(tokenizer);
    std::string out;
    for (char byte : bytes) out += decoder.push(uint8_t(byte));
    return out + decoder.finish();
  };
  EXPECT_EQ(streamed("a\xFF"
                     "b"),
            "a\uFFFDb");
  EXPECT_EQ(streamed("\xE6\x97"), "\uFFFD");
  EXPECT_EQ(streamed("\xE6\x97x"), "\uFFFDx");
  EXPECT_EQ(streamed("\xC0\x80"), "\uFFFD\uFFFD");
  EXPECT_EQ(streamed("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(streamed("\xF0\x9F\xF0\x9F\x98\x80"), "\uFFFD\U0001F600");
}

TEST(StreamDecoder, ControlTokensStayHidden) {
  StreamDecoder hidden(byte_tokenizer()), shown(byte_tokenizer(), true);
  EXPECT_EQ(hidden.push(260), "");
  EXPECT_EQ(shown.push(260), "<end>");
}

TEST(Utf8, KnowsTheBordersOfValidity) {
  for (const char* good : {"\x7F", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    const Utf8Char c = next_utf8(good);
    ASSERT_TRUE(c.valid) << good;
    std::string again;
    append_utf8(c.code, again);
    EXPECT_EQ(again, good);
  }
  for (const char* bad : {"\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE"}) {
    EXPECT_FALSE(next_utf8(bad).valid);
    EXPECT_FALSE(next_utf8(bad).truncated);
  }
  EXPECT_TRUE(next_utf8("\xF0\x9F\x98").truncated);
}

}  // namespace
}  // namespace lowkey::models
