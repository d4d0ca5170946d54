#include "models/chat/expression_parser.h"

#include <algorithm>

#include "models/chat/depth_guard.h"

namespace lowkey::models::jinja {
namespace {

constexpr int kMaxDepth = 64;    // of brackets and signs: bounds the parser's recursion
constexpr int kMaxHeight = 200;  // of the tree: bounds the evaluator's recursion

}  // namespace

Expression ExpressionParser::node(ExpressionKind kind, std::string text, Parts args) const {
  Expression e;
  e.kind = kind;
  e.line = in_.line();
  e.text = std::move(text);
  e.args = std::move(args);
  return e;
}

Result<ExpressionPtr> ExpressionParser::finish(Expression e) const {
  for (const ExpressionPtr& arg : e.args) {
    if (arg) e.height = std::max(e.height, arg->height + 1);
  }
  for (const auto& [name, arg] : e.named) e.height = std::max(e.height, arg->height + 1);
  if (e.height > kMaxHeight) return template_error(e.line, "an expression is nested too deep");
  return std::make_shared<const Expression>(std::move(e));
}

Result<ExpressionPtr> ExpressionParser::binary(std::string op, ExpressionPtr a,
                                               ExpressionPtr b) const {
  return finish(node(ExpressionKind::kBinary, std::move(op), {std::move(a), std::move(b)}));
}

Result<ExpressionPtr> ExpressionParser::parse() {
  const DepthGuard guard(depth_);
  if (depth_ > kMaxDepth) return template_error(in_.line(), "an expression is nested too deep");
  LK_ASSIGN(ExpressionPtr value, parse_or());
  while (in_.skip_name("if")) {
    LK_ASSIGN(ExpressionPtr condition, parse_or());
    ExpressionPtr otherwise;
    if (in_.skip_name("else")) {
      LK_ASSIGN(otherwise, parse());
    }
    LK_ASSIGN(value, finish(node(ExpressionKind::kTernary, "", {value, condition, otherwise})));
  }
  return value;
}

Result<ExpressionPtr> ExpressionParser::parse_tuple() {
  LK_ASSIGN(ExpressionPtr first, parse());
  if (!in_.at_operator(",")) return first;
  Parts parts = {first};
  while (in_.skip_operator(",")) {
    if (in_.peek().type == TokenType::kBlockEnd || in_.peek().type == TokenType::kOutputEnd) break;
    LK_ASSIGN(ExpressionPtr next, parse());
    parts.push_back(next);
  }
  return finish(node(ExpressionKind::kList, "", std::move(parts)));
}

Result<ExpressionPtr> ExpressionParser::parse_or() {
  LK_ASSIGN(ExpressionPtr left, parse_and());
  while (in_.skip_name("or")) {
    LK_ASSIGN(ExpressionPtr right, parse_and());
    LK_ASSIGN(left, binary("or", left, right));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::parse_and() {
  LK_ASSIGN(ExpressionPtr left, parse_not());
  while (in_.skip_name("and")) {
    LK_ASSIGN(ExpressionPtr right, parse_not());
    LK_ASSIGN(left, binary("and", left, right));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::parse_not() {
  if (!in_.skip_name("not")) return parse_comparison();
  const DepthGuard guard(depth_);
  if (depth_ > kMaxDepth) return template_error(in_.line(), "an expression is nested too deep");
  LK_ASSIGN(ExpressionPtr operand, parse_not());
  return finish(node(ExpressionKind::kUnary, "not", {operand}));
}

Result<ExpressionPtr> ExpressionParser::parse_comparison() {
  LK_ASSIGN(ExpressionPtr left, parse_sum());
  ExpressionPtr all;  // a < b < c means a < b and b < c
  for (;;) {
    std::string op;
    for (const char* candidate : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (op.empty() && in_.skip_operator(candidate)) op = candidate;
    }
    if (op.empty() && in_.skip_name("in")) op = "in";
    if (op.empty() && in_.at_name("not") && in_.at_name("in", 1)) {
      in_.take(), in_.take();
      op = "not in";
    }
    if (op.empty()) return all ? all : left;
    LK_ASSIGN(ExpressionPtr right, parse_sum());
    LK_ASSIGN(ExpressionPtr one, binary(op, left, right));
    if (all) {
      LK_ASSIGN(one, binary("and", all, one));
    }
    all = one;
    left = right;
  }
}

Result<ExpressionPtr> ExpressionParser::parse_binary(
    Result<ExpressionPtr> (ExpressionParser::*operand)(), std::vector<std::string_view> operators) {
  LK_ASSIGN(ExpressionPtr left, (this->*operand)());
  for (;;) {
    const auto op = std::find_if(operators.begin(), operators.end(),
                                 [this](std::string_view o) { return in_.at_operator(o); });
    if (op == operators.end()) return left;
    in_.take();
    LK_ASSIGN(ExpressionPtr right, (this->*operand)());
    LK_ASSIGN(left, binary(std::string(*op), left, right));
  }
}

Result<ExpressionPtr> ExpressionParser::parse_sum() {
  return parse_binary(&ExpressionParser::parse_concatenation, {"+", "-"});
}

Result<ExpressionPtr> ExpressionParser::parse_concatenation() {
  return parse_binary(&ExpressionParser::parse_product, {"~"});
}

Result<ExpressionPtr> ExpressionParser::parse_product() {
  LK_ASSIGN(ExpressionPtr left, parse_unary(true));
  for (;;) {
    std::string op;
    for (const char* candidate : {"*", "//", "/", "%"}) {
      if (op.empty() && in_.skip_operator(candidate)) op = candidate;
    }
    if (op.empty()) return left;
    LK_ASSIGN(ExpressionPtr right, parse_unary(true));
    LK_ASSIGN(left, binary(op, left, right));
  }
}

Result<ExpressionPtr> ExpressionParser::parse_unary(bool with_filters) {
  const DepthGuard guard(depth_);
  if (depth_ > kMaxDepth) return template_error(in_.line(), "an expression is nested too deep");
  ExpressionPtr base;
  if (in_.at_operator("-") || in_.at_operator("+")) {
    const std::string op = in_.take().text;
    LK_ASSIGN(ExpressionPtr operand, parse_unary(false));
    LK_ASSIGN(base, finish(node(ExpressionKind::kUnary, op, {operand})));
  } else {
    LK_ASSIGN(base, parse_primary());
  }
  LK_ASSIGN(base, parse_postfix(base));
  return with_filters ? parse_filters(base) : base;
}

}  // namespace lowkey::models::jinja
