// The parsers' view of the tokens: look at one, take one.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/chat/lexer.h"

namespace lowkey::models::jinja {

class TokenStream {
 public:
  explicit TokenStream(std::vector<LexToken> tokens) : tokens_(std::move(tokens)) {}

  const LexToken& peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  LexToken take() {
    LexToken token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  int line() const { return peek().line; }

  bool at_operator(std::string_view text) const {
    return peek().type == TokenType::kOperator && peek().text == text;
  }
  bool at_name(std::string_view text, size_t ahead = 0) const {
    return peek(ahead).type == TokenType::kName && peek(ahead).text == text;
  }
  bool skip_operator(std::string_view text) { return at_operator(text) && (take(), true); }
  bool skip_name(std::string_view text) { return at_name(text) && (take(), true); }

  Status expect_operator(std::string_view text) {
    if (skip_operator(text)) return {};
    return unexpected("'" + std::string(text) + "'");
  }
  Status expect(TokenType type, const char* what) {
    if (peek().type != type) return unexpected(what);
    take();
    return {};
  }
  Result<std::string> expect_name() {
    if (peek().type != TokenType::kName) return unexpected("a name");
    return take().text;
  }
  Error unexpected(const std::string& expected) const {
    const std::string found = peek().type == TokenType::kEnd ? "the end" : "'" + peek().text + "'";
    return template_error(line(), "expected " + expected + ", found " + found);
  }

 private:
  std::vector<LexToken> tokens_;
  size_t at_ = 0;
};

}  // namespace lowkey::models::jinja
