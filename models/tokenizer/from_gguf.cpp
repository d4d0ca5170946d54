#include "models/tokenizer/from_gguf.h"

#include "models/tokenizer/byte_bpe.h"
#include "models/tokenizer/byte_map.h"
#include "models/tokenizer/sentencepiece.h"

namespace lowkey::models {
namespace {

const std::string kPrefix = "tokenizer.ggml.";

Error bad(const gguf::Metadata& metadata, std::string_view key, std::string what) {
  return make_error(ErrorCode::kInvalidData, metadata.where() + ": " + kPrefix + std::string(key),
                    std::move(what));
}

/// The vocabulary as the file writes it.
struct Table {
  std::vector<std::string> texts;
  std::vector<Token> tokens;  // kinds and scores; bytes still to be filled
};

/// Optional array `key`, which must match the number of tokens where it is present.
template <class T>
Result<std::vector<T>> parallel_array(const gguf::Metadata& metadata, std::string_view key,
                                      size_t n, Result<std::vector<T>> values) {
  if (!metadata.find(kPrefix + std::string(key))) return std::vector<T>();
  if (values.ok() && values->size() != n) {
    return bad(metadata, key,
               "expected " + std::to_string(n) + " entries as there are tokens, found " +
                   std::to_string(values->size()));
  }
  return values;
}

Result<Table> read_table(const gguf::Metadata& metadata) {
  Table table;
  LK_ASSIGN(const auto texts, metadata.get_strings(kPrefix + "tokens"));
  if (texts.empty()) return bad(metadata, "tokens", "expected at least one token, found none");
  const size_t n = texts.size();
  LK_ASSIGN(const auto kinds,
            parallel_array(metadata, "token_type", n, metadata.get_ints(kPrefix + "token_type")));
  LK_ASSIGN(const auto scores,
            parallel_array(metadata, "scores", n, metadata.get_floats(kPrefix + "scores")));
  table.texts.assign(texts.begin(), texts.end());
  table.tokens.resize(n);
  for (size_t i = 0; i < n; ++i) {
    if (!scores.empty()) table.tokens[i].score = scores[i];
    if (kinds.empty()) continue;
    if (kinds[i] < 1 || kinds[i] > 6) {
      return bad(
          metadata, "token_type",
          "expected 1..6 for token " + std::to_string(i) + ", found " + std::to_string(kinds[i]));
    }
    table.tokens[i].kind = TokenKind(kinds[i]);
  }
  return table;
}

Result<std::optional<int32_t>> read_id(const gguf::Metadata& metadata, std::string_view key,
                                       size_t n_tokens) {
  const std::string full = kPrefix + std::string(key);
  if (!metadata.find(full)) return std::optional<int32_t>();
  LK_ASSIGN(const int64_t id, metadata.get_i64(full));
  if (id == 0xFFFFFFFF || id == -1) return std::optional<int32_t>();  // written for "none"
  if (id < 0 || uint64_t(id) >= n_tokens) {
    return bad(
        metadata, key,
        "expected an id below " + std::to_string(n_tokens) + ", found " + std::to_string(id));
  }
  return std::optional<int32_t>(int32_t(id));
}

Result<std::vector<std::pair<std::string, std::string>>> read_merges(
    const gguf::Metadata& metadata) {
  LK_ASSIGN(const auto lines, metadata.get_strings(kPrefix + "merges"));
  std::vector<std::pair<std::string, std::string>> merges;
  merges.reserve(lines.size());
  for (std::string_view line : lines) {
    const size_t space = line.find(' ', 1);  // a token may itself begin with a space
    if (line.empty() || space == std::string_view::npos || space + 1 == line.size()) {
      return bad(metadata, "merges", "expected two tokens, found '" + std::string(line) + "'");
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

Status fill_byte_level(const gguf::Metadata& metadata, Table& table, TokenizerParts& parts) {
  LK_ASSIGN(const auto merges, read_merges(metadata));
  LK_ASSIGN(const auto pre, metadata.get_string_or(kPrefix + "pre", "default"));
  LK_ASSIGN(auto words, PreTokenizer::named(pre));
  ByteBpeOptions options;
  options.whole_words_first = takes_whole_words_first(pre);
  LK_ASSIGN(options.prefix_space, metadata.get_bool_or(kPrefix + "add_space_prefix", false));
  for (size_t i = 0; i < table.texts.size(); ++i) {
    Token& token = table.tokens[i];
    const bool is_plain = token.kind == TokenKind::kNormal || token.kind == TokenKind::kUnused;
    token.bytes =
        is_plain ? bytes_of_byte_level(table.texts[i]).value_or(table.texts[i]) : table.texts[i];
    const bool may_merge = is_plain || token.kind == TokenKind::kUserDefined;
    if (!may_merge) table.texts[i].clear();
  }
  LK_ASSIGN(parts.model, ByteBpe::create(table.texts, merges, std::move(words), options));
  return {};
}

Status fill_sentencepiece(const gguf::Metadata& metadata, Table& table, bool is_unigram,
                          TokenizerParts& parts) {
  SentencePieceOptions options;
  LK_ASSIGN(options.prefix_space, metadata.get_bool_or(kPrefix + "add_space_prefix", true));
  LK_ASSIGN(options.collapse_spaces,
            metadata.get_bool_or(kPrefix + "remove_extra_whitespaces", false));
  const gguf::Value* charsmap = metadata.find(kPrefix + "precompiled_charsmap");
  options.has_charsmap = charsmap != nullptr && charsmap->n > 0;
  LK_ASSIGN(options.unknown, read_id(metadata, "unknown_token_id", table.tokens.size()));
  for (size_t i = 0; i < table.texts.size(); ++i) {
    Token& token = table.tokens[i];
    if (token.kind != TokenKind::kByte) {
      token.bytes = unescape_spaces(table.texts[i]);
      continue;
    }
    const auto byte = byte_of_piece(table.texts[i]);
    if (!byte) {
      return bad(metadata, "tokens",
                 "expected a byte token such as <0x0A>, found '" + table.texts[i] + "' as token " +
                     std::to_string(i));
    }
    token.bytes.assign(1, char(*byte));
  }
  parts.strips_space = options.prefix_space;
  const auto make = is_unigram ? make_sentencepiece_unigram : make_sentencepiece_bpe;
  LK_ASSIGN(parts.model, make(table.texts, table.tokens, options));
  return {};
}

Status read_extras(const gguf::Metadata& metadata, bool bos_by_default, TokenizerParts& parts) {
  const size_t n = parts.tokens.size();
  LK_ASSIGN(parts.bos, read_id(metadata, "bos_token_id", n));
  LK_ASSIGN(parts.eos, read_id(metadata, "eos_token_id", n));
  for (const char* key : {"eot_token_id", "eom_token_id"}) {
    LK_ASSIGN(const auto id, read_id(metadata, key, n));
    if (id) parts.more_ends.push_back(*id);
  }
  LK_ASSIGN(parts.adds_bos, metadata.get_bool_or(kPrefix + "add_bos_token", bos_by_default));
  LK_ASSIGN(const auto text, metadata.get_string_or("tokenizer.chat_template", ""));
  parts.chat_template = text;
  return {};
}

}  // namespace

Result<Tokenizer> tokenizer_from_gguf(const gguf::Metadata& metadata) {
  LK_ASSIGN(const auto model, metadata.get_string(kPrefix + "model"));
  LK_ASSIGN(Table table, read_table(metadata));
  TokenizerParts parts;
  if (model == "gpt2") {
    LK_RETURN_IF_ERROR(fill_byte_level(metadata, table, parts));
  } else if (model == "llama" || model == "t5") {
    LK_RETURN_IF_ERROR(fill_sentencepiece(metadata, table, model == "t5", parts));
  } else {
    return make_error(ErrorCode::kUnsupported, metadata.where() + ": tokenizer.ggml.model",
                      "expected gpt2, llama or t5, found '" + std::string(model) + "'");
  }
  parts.tokens = std::move(table.tokens);
  LK_RETURN_IF_ERROR(read_extras(metadata, model == "llama", parts));
  return Tokenizer(std::move(parts));
}

}  // namespace lowkey::models
