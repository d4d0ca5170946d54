// A template, parsed. Nodes are shared where a chain of comparisons uses one twice.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/chat/value.h"

namespace lowkey::models::jinja {

struct Expression;
using ExpressionPtr = std::shared_ptr<const Expression>;

enum class ExpressionKind {
  kLiteral,    // value
  kName,       // text
  kList,       // args
  kDict,       // args: key, value, key, value, ...
  kUnary,      // text: "-", "+", "not"; args[0]
  kBinary,     // text: operator; args[0], args[1]
  kTernary,    // args: value if true, condition, value if false (may be null)
  kAttribute,  // args[0].text
  kIndex,      // args[0][args[1]]
  kSlice,      // args[0][args[1]:args[2]:args[3]], the last three may be null
  kCall,       // args[0](args[1]..., named...)
  kFilter,     // args[0] | text(args[1]..., named...)
  kTest,       // args[0] is text(args[1]...)
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kLiteral;
  int line = 0;
  int height = 1;  // of the tree below, bounded by the parser
  std::string text;
  Value value;
  std::vector<ExpressionPtr> args;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
};

struct Statement;
using Block = std::vector<Statement>;

enum class StatementKind {
  kText,      // text
  kOutput,    // expression
  kIf,        // branches, the last one's condition may be null (else)
  kFor,       // names in expression if condition: body; branches[0].body if there was nothing
  kSet,       // names = expression; with `text`, names[0].text = expression
  kSetBlock,  // names[0] = what body prints
  kMacro,     // macro
  kScope,     // body, printed as it is: {% generation %}
  kBreak,
  kContinue,
};

struct Branch;

struct MacroDefinition {
  std::string name;
  std::vector<std::pair<std::string, ExpressionPtr>> parameters;  // with default or null
  Block body;
};

struct Statement {
  StatementKind kind = StatementKind::kText;
  int line = 0;
  std::string text;
  std::vector<std::string> names;
  ExpressionPtr expression, condition;
  Block body;
  std::vector<Branch> branches;
  std::shared_ptr<const MacroDefinition> macro;
};

struct Branch {
  ExpressionPtr condition;
  Block body;
};

}  // namespace lowkey::models::jinja
