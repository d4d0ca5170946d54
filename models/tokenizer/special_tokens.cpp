#include "models/tokenizer/special_tokens.h"

#include <algorithm>

namespace lowkey::models {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

SpecialTokens::SpecialTokens(const std::vector<Token>& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    const Token& t = tokens[i];
    const bool stands_for_itself = t.kind == TokenKind::kControl ||
                                   t.kind == TokenKind::kUserDefined ||
                                   t.kind == TokenKind::kUnknown;
    if (!stands_for_itself || t.bytes.empty()) continue;
    if (!by_text_.emplace(t.bytes, int32_t(i)).second) continue;
    if (t.kind == TokenKind::kUnknown) continue;  // can be asked for, never read from text
    by_first_byte_[uint8_t(t.bytes[0])].push_back(
        {t.bytes, int32_t(i), t.kind, t.strips_left, t.strips_right});
  }
  for (auto& entries : by_first_byte_) {
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return a.text.size() > b.text.size(); });
  }
}

std::optional<SpecialMatch> SpecialTokens::next(std::string_view text, size_t from,
                                                bool parse_control) const {
  for (size_t at = from; at < text.size(); ++at) {
    for (const Entry& entry : by_first_byte_[uint8_t(text[at])]) {
      if (entry.kind == TokenKind::kControl && !parse_control) continue;
      if (!text.substr(at).starts_with(entry.text)) continue;
      SpecialMatch match{at, at + entry.text.size(), entry.id};
      while (entry.strips_left && match.begin > from && is_space(text[match.begin - 1])) {
        --match.begin;
      }
      while (entry.strips_right && match.end < text.size() && is_space(text[match.end])) {
        ++match.end;
      }
      return match;
    }
  }
  return std::nullopt;
}

}  // namespace lowkey::models
