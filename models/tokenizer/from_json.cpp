#include "models/tokenizer/from_json.h"

#include <algorithm>
#include <filesystem>

#include "base/file_map.h"
#include "models/tokenizer/byte_bpe.h"
#include "models/tokenizer/byte_map.h"
#include "models/tokenizer/json_fields.h"

namespace lowkey::models {
namespace {

using MergeList = std::vector<std::pair<std::string, std::string>>;

struct Reader {
  std::string where;
  Json root;
  std::vector<std::string> texts;  // byte-level, by id
  std::vector<Token> tokens;

  Error error(ErrorCode code, const std::string& part, std::string what) const {
    return make_error(code, where + ": " + part, std::move(what));
  }

  /// Ids may have gaps, but no more than the file's own size justifies.
  Result<size_t> id_of(const Json& value, const std::string& part) const {
    const size_t limit =
        2 * (field(field(root, "model"), "vocab").size() + field(root, "added_tokens").size()) +
        1024;
    if (value.is_number_unsigned() && value.get<uint64_t>() < limit) return value.get<size_t>();
    return error(ErrorCode::kInvalidData, part,
                 "expected an id below " + std::to_string(limit) + ", found " +
                     value.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  void make_room(size_t id) {
    if (id < tokens.size()) return;
    texts.resize(id + 1);
    tokens.resize(id + 1, Token{{}, TokenKind::kUnused, 0, false, false});
  }

  Status check_model() const;
  Status read_vocab();
  Status read_added();
  Result<MergeList> read_merges() const;
};

Status Reader::check_model() const {
  const Json& model = field(root, "model");
  const std::string type = string_field(model, "type");
  if (!type.empty() && type != "BPE") {
    return error(ErrorCode::kUnsupported, "model.type", "expected BPE, found '" + type + "'");
  }
  if (bool_field(model, "byte_fallback", false)) {
    return error(ErrorCode::kUnsupported, "model",
                 "expected byte-level BPE, found a SentencePiece vocabulary (use the GGUF file)");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (string_field(model, key).empty()) continue;
    return error(ErrorCode::kUnsupported, std::string("model.") + key, "expected none");
  }
  const Json& normalizer = field(root, "normalizer");
  const std::string kind = string_field(normalizer, "type");
  const bool does_nothing = kind == "Sequence" && field(normalizer, "normalizers").empty();
  if (!normalizer.is_null() && kind != "NFC" && !does_nothing) {
    return error(ErrorCode::kUnsupported, "normalizer",
                 "expected NFC or none, found '" + kind + "'");
  }
  return {};
}

Status Reader::read_vocab() {
  const Json& vocab = field(field(root, "model"), "vocab");
  if (!vocab.is_object() || vocab.empty()) {
    return error(ErrorCode::kInvalidData, "model.vocab", "expected an object of tokens");
  }
  for (const auto& [text, value] : vocab.items()) {
    LK_ASSIGN(const size_t id, id_of(value, "model.vocab"));
    make_room(id);
    if (!texts[id].empty()) {
      return error(ErrorCode::kInvalidData, "model.vocab",
                   "id " + std::to_string(id) + " names two tokens");
    }
    texts[id] = text;
    tokens[id].bytes = bytes_of_byte_level(text).value_or(text);
    tokens[id].kind = TokenKind::kNormal;
  }
  return {};
}

Status Reader::read_added() {
  const Json& added = field(root, "added_tokens");
  if (added.is_null()) return {};
  if (!added.is_array()) {
    return error(ErrorCode::kInvalidData, "added_tokens", "expected an array");
  }
  for (const Json& entry : added) {
    LK_ASSIGN(const size_t id, id_of(field(entry, "id"), "added_tokens"));
    const std::string content = string_field(entry, "content");
    if (content.empty()) {
      return error(ErrorCode::kInvalidData, "added_tokens", "expected content, found none");
    }
    if (bool_field(entry, "single_word", false)) {
      return error(ErrorCode::kUnsupported, "added_tokens",
                   "expected single_word false for '" + content + "'");
    }
    make_room(id);
    const bool is_control = bool_field(entry, "special", false);
    if (is_control) texts[id].clear();  // plain text must not merge into it
    tokens[id] = {content, is_control ? TokenKind::kControl : TokenKind::kUserDefined, 0,
                  bool_field(entry, "lstrip", false), bool_field(entry, "rstrip", false)};
  }
  return {};
}

Result<MergeList> Reader::read_merges() const {
  const Json& list = field(field(root, "model"), "merges");
  if (!list.is_array()) {
    return error(ErrorCode::kInvalidData, "model.merges", "expected an array");
  }
  MergeList merges;
  merges.reserve(list.size());
  for (const Json& entry : list) {
    if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
      merges.emplace_back(entry[0].get<std::string>(), entry[1].get<std::string>());
      continue;
    }
    const std::string line = entry.is_string() ? entry.get<std::string>() : std::string();
    const size_t space = line.find(' ');
    if (space == 0 || space == std::string::npos || space + 1 == line.size()) {
      return error(ErrorCode::kInvalidData, "model.merges",
                   "expected two tokens in entry " + std::to_string(merges.size()));
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

/// bos_token and its like: a string, or an object with "content".
std::string token_text(const Json& config, const char* key) {
  const Json& value = field(config, key);
  return value.is_object() ? string_field(value, "content") : string_field(config, key);
}

std::optional<int32_t> id_of_text(const std::vector<Token>& tokens, const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto it = std::find_if(tokens.begin(), tokens.end(),
                               [&](const Token& token) { return token.bytes == text; });
  if (it == tokens.end()) return std::nullopt;
  return int32_t(it - tokens.begin());
}

/// Text of the token that the post-processor puts before a single sequence; empty: none.
std::string leading_token(const Json& processor) {
  const Json& processors = field(processor, "processors");
  if (processors.is_array()) {
    for (const Json& part : processors) {
      if (string_field(part, "type") == "TemplateProcessing") return leading_token(part);
    }
  }
  const Json& single = field(processor, "single");
  if (!single.is_array() || single.empty()) return "";
  return string_field(field(single[0], "SpecialToken"), "id");
}

/// A string, or a list of named ones, of which "default" is for chats without tools.
std::string chat_template_of(const Json& config) {
  const Json& value = field(config, "chat_template");
  if (!value.is_array()) return string_field(config, "chat_template");
  for (const Json& entry : value) {
    if (string_field(entry, "name") == "default") return string_field(entry, "template");
  }
  return "";
}

void read_extras(const Reader& reader, const Json& config, TokenizerParts& parts) {
  const std::string leading = leading_token(field(reader.root, "post_processor"));
  const std::string bos = token_text(config, "bos_token");
  parts.bos = id_of_text(parts.tokens, bos.empty() ? leading : bos);
  parts.eos = id_of_text(parts.tokens, token_text(config, "eos_token"));
  parts.adds_bos = bool_field(config, "add_bos_token", !leading.empty());
  parts.chat_template = chat_template_of(config);
}

}  // namespace

Result<Tokenizer> tokenizer_from_json(const TokenizerFiles& files, const std::string& where) {
  Reader reader{where, {}, {}, {}};
  LK_ASSIGN(reader.root, parse_json(files.tokenizer, where));
  LK_RETURN_IF_ERROR(reader.check_model());
  LK_RETURN_IF_ERROR(reader.read_vocab());
  LK_RETURN_IF_ERROR(reader.read_added());
  LK_ASSIGN(const MergeList merges, reader.read_merges());
  LK_ASSIGN(
      auto pre,
      pre_tokenizer_from_json(
          field(reader.root, "pre_tokenizer").dump(-1, ' ', false, Json::error_handler_t::replace),
          where));
  if (!pre.is_byte_level) {
    return reader.error(ErrorCode::kUnsupported, "pre_tokenizer", "expected a ByteLevel part");
  }
  ByteBpeOptions options;
  options.whole_words_first = bool_field(field(reader.root, "model"), "ignore_merges", false);
  options.prefix_space = pre.prefix_space;
  TokenizerParts parts;
  LK_ASSIGN(parts.model, ByteBpe::create(reader.texts, merges, std::move(pre.words), options));
  parts.tokens = std::move(reader.tokens);
  Json config;
  if (!files.config.empty()) {
    LK_ASSIGN(config, parse_json(files.config, where + " (tokenizer_config.json)"));
  }
  read_extras(reader, config, parts);
  if (!files.chat_template.empty()) parts.chat_template = files.chat_template;
  return Tokenizer(std::move(parts));
}

Result<Tokenizer> tokenizer_from_folder(const std::string& folder) {
  const std::filesystem::path base(folder);
  const std::string path = (base / "tokenizer.json").string();
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return make_error(ErrorCode::kNotFound, path, "expected a tokeniser beside the model");
  }
  TokenizerFiles files;
  LK_ASSIGN(files.tokenizer, read_text_file(path));
  for (auto [name, text] : {std::pair{"tokenizer_config.json", &files.config},
                            std::pair{"chat_template.jinja", &files.chat_template}}) {
    if (!std::filesystem::exists(base / name, ignored)) continue;
    LK_ASSIGN(*text, read_text_file((base / name).string()));
  }
  return tokenizer_from_json(files, path);
}

}  // namespace lowkey::models
