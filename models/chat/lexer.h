// Cuts a template into text and the symbols inside {{ }} and {% %}.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lowkey::models::jinja {

enum class TokenType {
  kText,         // to be printed as it is
  kOutputBegin,  // {{
  kOutputEnd,    // }}
  kBlockBegin,   // {%
  kBlockEnd,     // %}
  kName,
  kString,  // text is already unescaped
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct LexToken {
  TokenType type = TokenType::kEnd;
  std::string text;
  int line = 0;
};

/// White space is treated as Hugging Face does: trim_blocks and lstrip_blocks on, one newline at
/// the template's very end dropped, `-` and `+` signs heeded. Comments vanish.
/// kInvalidData with the line for anything that is not a template.
Result<std::vector<LexToken>> lex(std::string_view source);

Error template_error(int line, std::string what);

}  // namespace lowkey::models::jinja
