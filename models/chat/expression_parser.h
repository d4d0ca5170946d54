// Expressions by Jinja's precedence: if-else, or, and, not, comparisons, + -, ~, * / // %, signs,
// then attributes, calls, filters and tests.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "models/chat/ast.h"
#include "models/chat/token_stream.h"

namespace lowkey::models::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : in_(tokens) {}

  Result<ExpressionPtr> parse();
  /// `a, b` makes a list, as in `{% set x = 1, 2 %}`.
  Result<ExpressionPtr> parse_tuple();
  /// Without if-else: what stands after `in` of a for loop.
  Result<ExpressionPtr> parse_no_condition() { return parse_or(); }

 private:
  using Parts = std::vector<ExpressionPtr>;

  Result<ExpressionPtr> parse_or();
  Result<ExpressionPtr> parse_and();
  Result<ExpressionPtr> parse_not();
  Result<ExpressionPtr> parse_comparison();
  Result<ExpressionPtr> parse_sum();
  Result<ExpressionPtr> parse_concatenation();
  Result<ExpressionPtr> parse_product();
  Result<ExpressionPtr> parse_unary(bool with_filters);
  Result<ExpressionPtr> parse_primary();
  Result<ExpressionPtr> parse_list(const char* closer);
  Result<ExpressionPtr> parse_dict();
  Result<ExpressionPtr> parse_postfix(ExpressionPtr base);
  Result<ExpressionPtr> parse_subscript(ExpressionPtr base);
  Result<ExpressionPtr> parse_filters(ExpressionPtr base);
  Result<ExpressionPtr> parse_test(ExpressionPtr base);
  Status parse_arguments(Expression& call);
  Result<ExpressionPtr> parse_binary(Result<ExpressionPtr> (ExpressionParser::*operand)(),
                                     std::vector<std::string_view> operators);

  Result<ExpressionPtr> finish(Expression node) const;
  Result<ExpressionPtr> binary(std::string op, ExpressionPtr a, ExpressionPtr b) const;
  Expression node(ExpressionKind kind, std::string text, Parts args) const;

  TokenStream& in_;
  int depth_ = 0;
};

}  // namespace lowkey::models::jinja
