// Finds tokens that stand for themselves in text: "<|im_end|>" and its like.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "models/tokenizer/vocab.h"

namespace lowkey::models {

struct SpecialMatch {
  size_t begin = 0, end = 0;  // bytes; includes white space that the token swallows
  int32_t id = -1;
};

class SpecialTokens {
 public:
  SpecialTokens() = default;
  /// Takes the control and user-defined tokens out of `tokens` (ids are positions).
  explicit SpecialTokens(const std::vector<Token>& tokens);

  /// The leftmost match at or after `from`, the longest of those; user-defined tokens always,
  /// control tokens only with `parse_control`.
  std::optional<SpecialMatch> next(std::string_view text, size_t from, bool parse_control) const;

  std::optional<int32_t> find(std::string_view text) const { return find_token(by_text_, text); }

 private:
  struct Entry {
    std::string text;
    int32_t id;
    TokenKind kind;
    bool strips_left, strips_right;
  };
  std::array<std::vector<Entry>, 256> by_first_byte_;  // longest first
  TokenIndex by_text_;
};

}  // namespace lowkey::models
