// The first byte chooses: text through one of our own vocabularies, whose bytes must come back,
// or a whole vocabulary from a file that nobody vouches for.
#include <cstdint>
#include <span>
#include <string>

#include "base/check.h"
#include "models/gguf/file.h"
#include "models/tokenizer/byte_bpe.h"
#include "models/tokenizer/byte_map.h"
#include "models/tokenizer/from_gguf.h"
#include "models/tokenizer/from_json.h"
#include "models/tokenizer/sentencepiece.h"
#include "models/tokenizer/stream_decoder.h"
#include "models/tokenizer/utf8.h"

namespace {

using namespace lowkey;
using namespace lowkey::models;

Tokenizer byte_level(const char* pre) {
  std::vector<std::string> texts;
  for (int byte = 0; byte < 256; ++byte) texts.push_back(byte_level_of(uint8_t(byte)));
  const std::string space = byte_level_of(' ');
  texts.insert(texts.end(), {"aa", "aaaa", space + "a", "th", "the", space + "the"});
  ByteBpeOptions options;
  options.whole_words_first = takes_whole_words_first(pre);
  auto bpe = ByteBpe::create(
      texts, {{"a", "a"}, {"aa", "aa"}, {space, "a"}, {"t", "h"}, {"th", "e"}, {space, "the"}},
      *PreTokenizer::named(pre), options);
  TokenizerParts parts;
  for (const std::string& text : texts) {
    parts.tokens.push_back({*bytes_of_byte_level(text), TokenKind::kNormal, 0, false, false});
  }
  parts.tokens.push_back({"<end>", TokenKind::kControl, 0, false, false});
  parts.tokens.push_back({"<tool>", TokenKind::kUserDefined, 0, false, false});
  parts.model = std::move(bpe).value();
  return Tokenizer(std::move(parts));
}

Tokenizer sentencepiece(bool is_unigram) {
  std::vector<std::string> pieces = {"<unk>", "\u2581", "a", "\u2581a", "th", "the", "\u2581the"};
  TokenizerParts parts;
  for (size_t i = 0; i < pieces.size(); ++i) {
    parts.tokens.push_back({unescape_spaces(pieces[i]),
                            i == 0 ? TokenKind::kUnknown : TokenKind::kNormal, -float(i), false,
                            false});
  }
  for (int byte = 0; byte < 256; ++byte) {
    pieces.emplace_back("byte");
    parts.tokens.push_back({std::string(1, char(byte)), TokenKind::kByte, -50, false, false});
  }
  SentencePieceOptions options;
  options.unknown = 0;
  const auto make = is_unigram ? make_sentencepiece_unigram : make_sentencepiece_bpe;
  parts.model = make(pieces, parts.tokens, options).value();
  parts.strips_space = true;
  return Tokenizer(std::move(parts));
}

/// What any tokeniser must hold for any text; true if it also gives the bytes back.
bool check_text(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text, {true, false});
  if (!ids.ok()) return false;
  StreamDecoder decoder(tokenizer, true);
  for (int32_t id : *ids) {
    LK_CHECK(id >= 0 && id < tokenizer.n_vocab(), "ids lie in the vocabulary");
    const std::string part = decoder.push(id);
    LK_CHECK(valid_utf8_prefix(part) == part.size(), "a stream is valid UTF-8");
  }
  decoder.finish();
  return tokenizer.decode(*ids, true) == text;
}

void check_file(const Result<Tokenizer>& tokenizer) {
  if (!tokenizer.ok()) return;
  for (const char* text : {"", "the a\xFF", " Hello <end>\n\n  12345 \u65e5\u672c"}) {
    check_text(*tokenizer, text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Tokenizer kinds[] = {byte_level("gpt-2"),     byte_level("smollm"),
                                    byte_level("llama-bpe"), byte_level("qwen2"),
                                    sentencepiece(false),    sentencepiece(true)};
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const int kind = data[0] % 8;
  if (kind == 6) {
    TokenizerFiles files;
    files.tokenizer = text;
    check_file(tokenizer_from_json(files, "fuzz"));
  } else if (kind == 7) {
    const auto directory = gguf::parse(std::as_bytes(std::span(text)), "fuzz");
    if (directory.ok()) check_file(tokenizer_from_gguf(directory->metadata));
  } else {
    // "\u2581" in the text is a space to SentencePiece: only there may text change.
    const bool may_change = kind >= 4 && text.find("\u2581") != std::string::npos;
    LK_CHECK(check_text(kinds[kind], text) || may_change, "bytes come back");
  }
  return 0;
}
