#include "models/chat/lexer.h"

#include <algorithm>
#include <cstddef>

#include "base/newlines.h"
#include "models/chat/string_literal.h"

namespace lowkey::models::jinja {
namespace {

constexpr std::string_view kSpaces = " \t\n\r\f\v";
constexpr std::string_view kOperators[] = {"==", "!=", "<=", ">=", "//", "**", "+", "-", "*",
                                           "/",  "%",  "~",  "<",  ">",  "=",  "(", ")", "[",
                                           "]",  "{",  "}",  ".",  ",",  ":",  "|"};

bool is_space(char c) { return kSpaces.find(c) != std::string_view::npos; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Result<std::vector<LexToken>> run() {
    while (at_ < source_.size()) {
      const size_t tag = find_tag(at_);
      add_text(tag);
      if (tag == source_.size()) break;
      LK_RETURN_IF_ERROR(read_tag(tag));
    }
    add(TokenType::kEnd, "");
    return std::move(tokens_);
  }

 private:
  void add(TokenType type, std::string text) { tokens_.push_back({type, std::move(text), line_}); }

  void advance_to(size_t end) {
    line_ += int(std::count(source_.begin() + std::ptrdiff_t(at_),
                            source_.begin() + std::ptrdiff_t(end), '\n'));
    at_ = end;
  }

  size_t find_tag(size_t from) const {
    for (size_t i = from; i + 1 < source_.size(); ++i) {
      if (source_[i] != '{') continue;
      const char c = source_[i + 1];
      if (c == '{' || c == '%' || c == '#') return i;
    }
    return source_.size();
  }

  /// The text before `tag`, with what the tag's sign and lstrip_blocks take from its end.
  void add_text(size_t tag) {
    std::string_view text = source_.substr(at_, tag - at_);
    const char kind = tag < source_.size() ? source_[tag + 1] : '{';
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    if (tag < source_.size() && sign == '-') {
      while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    } else if (kind != '{' && sign != '+') {
      const size_t line_start = text.rfind('\n') + 1;  // 0 if there is no newline
      const bool starts_line = line_start > 0 || at_ == 0 || source_[at_ - 1] == '\n';
      const bool is_blank =
          std::all_of(text.begin() + std::ptrdiff_t(line_start), text.end(), is_space);
      if (starts_line && is_blank) text = text.substr(0, line_start);
    }
    if (!text.empty()) add(TokenType::kText, std::string(text));
    advance_to(tag);
  }

  Status read_tag(size_t tag) {
    const char kind = source_[tag + 1];
    advance_to(tag + 2);
    if (kind == '#') return skip_comment();
    if (at_ < source_.size() && (source_[at_] == '-' || (source_[at_] == '+' && kind == '%'))) {
      advance_to(at_ + 1);
    }
    add(kind == '{' ? TokenType::kOutputBegin : TokenType::kBlockBegin, "");
    const std::string_view closer = kind == '{' ? "}}" : "%}";
    std::string open;  // brackets that wait for their partner
    while (at_ < source_.size()) {
      if (open.empty() && at_closer(closer)) {
        add(kind == '{' ? TokenType::kOutputEnd : TokenType::kBlockEnd, "");
        close_tag(closer);
        return {};
      }
      LK_RETURN_IF_ERROR(read_symbol(open));
    }
    return template_error(line_, "expected '" + std::string(closer) + "', found the end");
  }

  Status skip_comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string_view::npos) return template_error(line_, "a comment has no end");
    advance_to(end > at_ && source_[end - 1] == '-' ? end - 1 : end);
    close_tag("#}");
    return {};
  }

  bool at_closer(std::string_view closer) const {
    const std::string_view rest = source_.substr(at_);
    if (rest.starts_with(closer)) return true;
    const bool is_signed = rest.starts_with('-') || (rest.starts_with('+') && closer == "%}");
    return is_signed && rest.substr(1).starts_with(closer);
  }

  /// Steps over the closer and the white space that it takes with it.
  void close_tag(std::string_view closer) {
    const char sign = source_[at_];
    const bool is_signed = sign == '-' || sign == '+';
    advance_to(at_ + (is_signed ? 1 : 0) + closer.size());
    size_t end = at_;
    if (sign == '-') {
      while (end < source_.size() && is_space(source_[end])) ++end;
    } else if (sign != '+' && closer != "}}" && end < source_.size() && source_[end] == '\n') {
      ++end;
    }
    advance_to(end);
  }

  Status read_symbol(std::string& open) {
    const char c = source_[at_];
    if (is_space(c)) return advance_to(at_ + 1), Status();
    if (c == '"' || c == '\'') return read_string();
    if (is_digit(c)) return read_number(), Status();
    if (is_name_start(c)) return read_name(), Status();
    for (std::string_view op : kOperators) {
      if (!source_.substr(at_).starts_with(op)) continue;
      LK_RETURN_IF_ERROR(balance(op[0], open));
      add(TokenType::kOperator, std::string(op));
      advance_to(at_ + op.size());
      return {};
    }
    return template_error(line_, std::string("expected an expression, found '") + c + "'");
  }

  Status balance(char c, std::string& open) const {
    if (c == '(' || c == '[' || c == '{') open += c;
    if (c != ')' && c != ']' && c != '}') return {};
    const char partner = c == ')' ? '(' : c == ']' ? '[' : '{';
    if (open.empty() || open.back() != partner) {
      return template_error(line_, std::string("'") + c + "' closes nothing");
    }
    open.pop_back();
    return {};
  }

  Status read_string() {
    const char quote = source_[at_];
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return template_error(line_, "a string has no end");
    add(TokenType::kString, unescape_literal(source_.substr(at_ + 1, end - at_ - 1)));
    advance_to(end + 1);
    return {};
  }

  void read_number() {
    size_t end = at_;
    while (end < source_.size() && is_digit(source_[end])) ++end;
    const bool is_float =
        end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1]);
    if (is_float) {
      ++end;
      while (end < source_.size() && is_digit(source_[end])) ++end;
    }
    add(is_float ? TokenType::kFloat : TokenType::kInteger,
        std::string(source_.substr(at_, end - at_)));
    advance_to(end);
  }

  void read_name() {
    size_t end = at_;
    while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) ++end;
    add(TokenType::kName, std::string(source_.substr(at_, end - at_)));
    advance_to(end);
  }

  std::string_view source_;
  size_t at_ = 0;
  int line_ = 1;
  std::vector<LexToken> tokens_;
};

}  // namespace

Error template_error(int line, std::string what) {
  return make_error(ErrorCode::kInvalidData, "chat template line " + std::to_string(line),
                    std::move(what));
}

Result<std::vector<LexToken>> lex(std::string_view source) {
  const std::string text = with_unix_newlines(source);
  std::string_view view = text;
  if (view.ends_with('\n')) view.remove_suffix(1);
  return Lexer(view).run();
}

}  // namespace lowkey::models::jinja
