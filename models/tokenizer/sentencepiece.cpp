#include "models/tokenizer/sentencepiece.h"

#include <algorithm>

#include "models/tokenizer/merge.h"
#include "models/tokenizer/utf8.h"

namespace lowkey::models {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581, "▁"

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/// Only these may come out of plain text; control tokens and bytes are reached by other ways.
bool is_piece(TokenKind kind) {
  return kind == TokenKind::kNormal || kind == TokenKind::kUserDefined ||
         kind == TokenKind::kUnused;
}

std::string collapse(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

class ScoreBpe : public SentencePiece {
 public:
  ScoreBpe(const std::vector<std::string>& pieces, const std::vector<Token>& tokens,
           SentencePieceOptions options)
      : SentencePiece(pieces, tokens, options), scores_(tokens.size()) {
    for (size_t i = 0; i < tokens.size(); ++i) scores_[i] = tokens[i].score;
  }

 protected:
  void encode(std::string_view text, std::vector<int32_t>& ids) const override {
    std::vector<Symbol> symbols;
    while (!text.empty()) {
      const auto n = size_t(next_utf8(text).n_bytes);
      const std::string_view character = text.substr(0, n);
      symbols.push_back({character, find_token(pieces_, character).value_or(-1)});
      text.remove_prefix(n);
    }
    merge_symbols(symbols, [this](const Symbol& a, const Symbol& b) -> std::optional<Merge> {
      const auto id = find_token(pieces_, {a.text.data(), a.text.size() + b.text.size()});
      if (!id) return std::nullopt;
      return Merge{-double(scores_[size_t(*id)]), *id};
    });
    for (const Symbol& symbol : symbols) {
      if (symbol.id >= 0) {
        ids.push_back(symbol.id);
      } else {
        append_unknown(symbol.text, ids);
      }
    }
  }

 private:
  std::vector<float> scores_;
};

}  // namespace

SentencePiece::SentencePiece(const std::vector<std::string>& pieces,
                             const std::vector<Token>& tokens, SentencePieceOptions options)
    : options_(options) {
  byte_ids_.fill(-1);
  pieces_.reserve(pieces.size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (is_piece(tokens[i].kind)) pieces_.emplace(pieces[i], int32_t(i));
    if (tokens[i].kind == TokenKind::kByte) byte_ids_[uint8_t(tokens[i].bytes[0])] = int32_t(i);
  }
}

Status SentencePiece::check() const {
  if (options_.unknown) return {};
  const auto n_bytes =
      std::count_if(byte_ids_.begin(), byte_ids_.end(), [](int i) { return i >= 0; });
  if (n_bytes == 256) return {};
  return make_error(ErrorCode::kInvalidData, "vocabulary",
                    "expected an unknown token or 256 byte tokens, found " +
                        std::to_string(n_bytes) + " byte tokens");
}

Status SentencePiece::append(std::string_view text, bool at_start,
                             std::vector<int32_t>& ids) const {
  const bool is_ascii = std::all_of(text.begin(), text.end(), [](char c) { return c > 0; });
  if (options_.has_charsmap && !is_ascii) {
    return make_error(ErrorCode::kUnsupported, "vocabulary with a precompiled_charsmap",
                      "expected ASCII text, found other characters, which it would normalise");
  }
  const std::string collapsed = options_.collapse_spaces ? collapse(text) : std::string();
  if (options_.collapse_spaces) text = collapsed;
  if (text.empty()) return {};
  std::string spelled;
  if (options_.prefix_space && at_start) spelled += kSpace;
  for (char c : text) c == ' ' ? spelled += kSpace : spelled += c;
  encode(spelled, ids);
  return {};
}

void SentencePiece::append_unknown(std::string_view character, std::vector<int32_t>& ids) const {
  const bool has_bytes = std::all_of(character.begin(), character.end(),
                                     [this](char c) { return byte_ids_[uint8_t(c)] >= 0; });
  if (has_bytes) {
    for (char c : character) ids.push_back(byte_ids_[uint8_t(c)]);
  } else if (options_.unknown && (ids.empty() || ids.back() != *options_.unknown)) {
    ids.push_back(*options_.unknown);  // neighbours share one, as in SentencePiece
  }
}

Result<std::shared_ptr<const SubwordModel>> make_sentencepiece_bpe(
    const std::vector<std::string>& pieces, const std::vector<Token>& tokens,
    SentencePieceOptions options) {
  auto model = std::make_shared<ScoreBpe>(pieces, tokens, options);
  LK_RETURN_IF_ERROR(model->check());
  return std::shared_ptr<const SubwordModel>(std::move(model));
}

std::optional<uint8_t> byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return std::nullopt;
  const int high = hex_digit(piece[3]), low = hex_digit(piece[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return uint8_t(high << 4 | low);
}

std::string unescape_spaces(std::string_view piece) {
  std::string out;
  while (!piece.empty()) {
    const size_t at = std::min(piece.find(kSpace), piece.size());
    out += piece.substr(0, at);
    if (at < piece.size()) out += ' ';
    piece.remove_prefix(std::min(at + kSpace.size(), piece.size()));
  }
  return out;
}

}  // namespace lowkey::models
