// The tight end of expressions: literals, attributes, calls, filters, tests.
#include <charconv>

#include "models/chat/expression_parser.h"

namespace lowkey::models::jinja {
namespace {

/// Names that are values. Python's capitals are as good as Jinja's small letters.
bool read_constant(const std::string& name, Value& value) {
  if (name == "true" || name == "True") return value = Value(true), true;
  if (name == "false" || name == "False") return value = Value(false), true;
  if (name == "none" || name == "None") return value = Value(None{}), true;
  return false;
}

}  // namespace

Result<ExpressionPtr> ExpressionParser::parse_primary() {
  const LexToken token = in_.peek();
  Expression literal = node(ExpressionKind::kLiteral, "", {});
  if (token.type == TokenType::kName) {
    in_.take();
    if (read_constant(token.text, literal.value)) return finish(std::move(literal));
    return finish(node(ExpressionKind::kName, token.text, {}));
  }
  if (token.type == TokenType::kString) {
    std::string text;
    while (in_.peek().type == TokenType::kString) text += in_.take().text;  // neighbours join
    literal.value = Value(std::move(text));
    return finish(std::move(literal));
  }
  if (token.type == TokenType::kInteger || token.type == TokenType::kFloat) {
    in_.take();
    const char *begin = token.text.data(), *end = begin + token.text.size();
    int64_t whole = 0;
    double real = 0;
    const bool is_whole = token.type == TokenType::kInteger;
    const auto error =
        is_whole ? std::from_chars(begin, end, whole).ec : std::from_chars(begin, end, real).ec;
    if (error != std::errc()) return template_error(token.line, "a number is out of range");
    literal.value = is_whole ? Value(whole) : Value(real);
    return finish(std::move(literal));
  }
  if (in_.skip_operator("(")) return parse_list(")");
  if (in_.skip_operator("[")) return parse_list("]");
  if (in_.skip_operator("{")) return parse_dict();
  return in_.unexpected("an expression");
}

/// After "(" or "[": elements, or with ")" and no comma the one expression in brackets.
Result<ExpressionPtr> ExpressionParser::parse_list(const char* closer) {
  Parts parts;
  bool has_comma = closer[0] == ']';
  while (!in_.at_operator(closer)) {
    LK_ASSIGN(ExpressionPtr part, parse());
    parts.push_back(part);
    if (!in_.skip_operator(",")) break;
    has_comma = true;
  }
  LK_RETURN_IF_ERROR(in_.expect_operator(closer));
  if (!has_comma && parts.size() == 1) return parts[0];
  return finish(node(ExpressionKind::kList, "", std::move(parts)));
}

Result<ExpressionPtr> ExpressionParser::parse_dict() {
  Parts parts;
  while (!in_.at_operator("}")) {
    LK_ASSIGN(ExpressionPtr key, parse());
    LK_RETURN_IF_ERROR(in_.expect_operator(":"));
    LK_ASSIGN(ExpressionPtr value, parse());
    parts.push_back(key);
    parts.push_back(value);
    if (!in_.skip_operator(",")) break;
  }
  LK_RETURN_IF_ERROR(in_.expect_operator("}"));
  return finish(node(ExpressionKind::kDict, "", std::move(parts)));
}

Result<ExpressionPtr> ExpressionParser::parse_postfix(ExpressionPtr base) {
  for (;;) {
    if (in_.skip_operator(".")) {
      LK_ASSIGN(const std::string name, in_.expect_name());
      LK_ASSIGN(base, finish(node(ExpressionKind::kAttribute, name, {base})));
    } else if (in_.skip_operator("[")) {
      LK_ASSIGN(base, parse_subscript(base));
    } else if (in_.at_operator("(")) {
      Expression call = node(ExpressionKind::kCall, "", {base});
      LK_RETURN_IF_ERROR(parse_arguments(call));
      LK_ASSIGN(base, finish(std::move(call)));
    } else {
      return base;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::parse_subscript(ExpressionPtr base) {
  Parts parts = {base};
  size_t n_colons = 0;
  ExpressionPtr part;
  while (!in_.at_operator("]")) {
    if (in_.skip_operator(":")) {
      parts.push_back(std::exchange(part, nullptr));
      ++n_colons;
    } else {
      if (part) return in_.unexpected("']'");
      LK_ASSIGN(part, parse());
    }
  }
  LK_RETURN_IF_ERROR(in_.expect_operator("]"));
  if (n_colons > 2 || (n_colons == 0 && !part)) return in_.unexpected("an index or a slice");
  parts.push_back(part);
  if (n_colons == 0) return finish(node(ExpressionKind::kIndex, "", std::move(parts)));
  parts.resize(4);
  return finish(node(ExpressionKind::kSlice, "", std::move(parts)));
}

Result<ExpressionPtr> ExpressionParser::parse_filters(ExpressionPtr base) {
  for (;;) {
    if (in_.skip_operator("|")) {
      LK_ASSIGN(const std::string name, in_.expect_name());
      Expression filter = node(ExpressionKind::kFilter, name, {base});
      if (in_.at_operator("(")) LK_RETURN_IF_ERROR(parse_arguments(filter));
      LK_ASSIGN(base, finish(std::move(filter)));
    } else if (in_.skip_name("is")) {
      LK_ASSIGN(base, parse_test(base));
    } else {
      return base;
    }
  }
}

/// After `is`: [not] name, with arguments in brackets or one bare value.
Result<ExpressionPtr> ExpressionParser::parse_test(ExpressionPtr base) {
  const bool is_negated = in_.skip_name("not");
  LK_ASSIGN(const std::string name, in_.expect_name());
  Expression test = node(ExpressionKind::kTest, name, {base});
  const TokenType next = in_.peek().type;
  const bool is_word = next == TokenType::kName && !in_.at_name("else") && !in_.at_name("or") &&
                       !in_.at_name("and") && !in_.at_name("is") && !in_.at_name("if") &&
                       !in_.at_name("in") && !in_.at_name("not");
  if (in_.at_operator("(")) {
    LK_RETURN_IF_ERROR(parse_arguments(test));
  } else if (is_word || next == TokenType::kString || next == TokenType::kInteger ||
             next == TokenType::kFloat || in_.at_operator("[")) {
    LK_ASSIGN(ExpressionPtr bare, parse_unary(false));
    test.args.push_back(bare);
  }
  LK_ASSIGN(ExpressionPtr result, finish(std::move(test)));
  if (!is_negated) return result;
  return finish(node(ExpressionKind::kUnary, "not", {result}));
}

/// "(a, b, name=c)" into args and named.
Status ExpressionParser::parse_arguments(Expression& call) {
  LK_RETURN_IF_ERROR(in_.expect_operator("("));
  while (!in_.at_operator(")")) {
    const bool is_named = in_.peek().type == TokenType::kName &&
                          in_.peek(1).type == TokenType::kOperator && in_.peek(1).text == "=";
    std::string name;
    if (is_named) {
      name = in_.take().text;
      in_.take();
    }
    LK_ASSIGN(ExpressionPtr value, parse());
    if (is_named) {
      call.named.emplace_back(std::move(name), value);
    } else {
      call.args.push_back(value);
    }
    if (!in_.skip_operator(",")) break;
  }
  return in_.expect_operator(")");
}

}  // namespace lowkey::models::jinja
