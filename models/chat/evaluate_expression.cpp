// The evaluator's expressions.
#include "models/chat/depth_guard.h"
#include "models/chat/evaluator.h"
#include "models/chat/functions.h"
#include "models/chat/lexer.h"
#include "models/chat/operators.h"

namespace lowkey::models::jinja {
namespace {

constexpr int kMaxMacroDepth = 12;
constexpr int kMaxDepth = 600;  // of blocks and expressions together: bounds the stack
constexpr size_t kMaxNamespaces = 1000;

}  // namespace

Status Evaluator::check_depth() const {
  if (depth_ <= kMaxDepth) return {};
  return make_error(ErrorCode::kInvalidData, "chat template", "calls and blocks go too deep");
}

Result<Value> Evaluator::evaluate(const ExpressionPtr& expression) {
  if (!expression) return Value();
  LK_RETURN_IF_ERROR(budget_.step());
  const DepthGuard guard(depth_);
  LK_RETURN_IF_ERROR(check_depth());
  return evaluate_node(*expression);
}

Result<Value> Evaluator::evaluate_node(const Expression& e) {
  switch (e.kind) {
    case ExpressionKind::kLiteral:
      if (e.value.string()) LK_RETURN_IF_ERROR(budget_.charge(e.value.string()->size()));
      return e.value;
    case ExpressionKind::kName:
      return look_up(e.text);
    case ExpressionKind::kList:
      return evaluate_list(e);
    case ExpressionKind::kDict:
      return evaluate_dict(e);
    case ExpressionKind::kUnary: {
      LK_ASSIGN(const Value operand, evaluate(e.args[0]));
      return apply_sign(e.text, operand);
    }
    case ExpressionKind::kBinary:
      return evaluate_binary(e);
    case ExpressionKind::kTernary: {
      LK_ASSIGN(const Value condition, evaluate(e.args[1]));
      return evaluate(condition.truthy() ? e.args[0] : e.args[2]);
    }
    case ExpressionKind::kAttribute: {
      LK_ASSIGN(const Value object, evaluate(e.args[0]));
      return subscript(object, Value(e.text));
    }
    case ExpressionKind::kIndex: {
      LK_ASSIGN(const Value object, evaluate(e.args[0]));
      LK_ASSIGN(const Value key, evaluate(e.args[1]));
      return subscript(object, key);
    }
    case ExpressionKind::kSlice:
      return evaluate_slice(e);
    case ExpressionKind::kCall:
      return evaluate_call(e);
    case ExpressionKind::kFilter:
      return evaluate_filter(e);
    case ExpressionKind::kTest:
      return evaluate_test(e);
  }
  return Value();
}

Result<Value> Evaluator::evaluate_list(const Expression& e) {
  List list;
  LK_RETURN_IF_ERROR(budget_.charge(e.args.size() * sizeof(Value)));
  for (const ExpressionPtr& arg : e.args) {
    LK_ASSIGN(Value value, evaluate(arg));
    list.push_back(std::move(value));
  }
  return Value(std::move(list));
}

Result<Value> Evaluator::evaluate_dict(const Expression& e) {
  auto dict = std::make_shared<Dict>();
  LK_RETURN_IF_ERROR(budget_.charge(e.args.size() * sizeof(Value)));
  for (size_t i = 0; i + 1 < e.args.size(); i += 2) {
    LK_ASSIGN(const Value key, evaluate(e.args[i]));
    LK_ASSIGN(Value value, evaluate(e.args[i + 1]));
    if (!key.string()) return template_error(e.line, "expected text as a mapping's key");
    dict->set(*key.string(), std::move(value));
  }
  return Value(std::move(dict));
}

Result<Value> Evaluator::evaluate_binary(const Expression& e) {
  LK_ASSIGN(Value left, evaluate(e.args[0]));
  if (e.text == "and" && !left.truthy()) return left;
  if (e.text == "or" && left.truthy()) return left;
  LK_ASSIGN(Value right, evaluate(e.args[1]));
  if (e.text == "and" || e.text == "or") return right;
  return apply_operator(e.text, left, right, budget_);
}

Result<Value> Evaluator::evaluate_slice(const Expression& e) {
  LK_ASSIGN(const Value object, evaluate(e.args[0]));
  SliceBounds bounds;
  LK_ASSIGN(bounds.start, evaluate(e.args[1]));
  LK_ASSIGN(bounds.stop, evaluate(e.args[2]));
  LK_ASSIGN(bounds.step, evaluate(e.args[3]));
  return slice(object, bounds, budget_);
}

Result<Arguments> Evaluator::evaluate_arguments(const Expression& e) {
  Arguments arguments;
  for (size_t i = 1; i < e.args.size(); ++i) {
    LK_ASSIGN(Value value, evaluate(e.args[i]));
    arguments.positional.push_back(std::move(value));
  }
  for (const auto& [name, arg] : e.named) {
    LK_ASSIGN(Value value, evaluate(arg));
    arguments.named.emplace_back(name, std::move(value));
  }
  return arguments;
}

Result<Value> Evaluator::evaluate_filter(const Expression& e) {
  LK_ASSIGN(const Value value, evaluate(e.args[0]));
  LK_ASSIGN(const Arguments arguments, evaluate_arguments(e));
  return apply_filter(e.text, value, arguments, budget_);
}

Result<Value> Evaluator::evaluate_test(const Expression& e) {
  LK_ASSIGN(const Value value, evaluate(e.args[0]));
  LK_ASSIGN(const Arguments arguments, evaluate_arguments(e));
  return apply_test(e.text, value, arguments, budget_);
}

Result<Value> Evaluator::evaluate_call(const Expression& e) {
  const Expression& callee = *e.args[0];
  LK_ASSIGN(const Arguments arguments, evaluate_arguments(e));
  Value function;
  if (callee.kind == ExpressionKind::kAttribute) {
    LK_ASSIGN(const Value object, evaluate(callee.args[0]));
    if (has_method(callee.text, object)) {
      return call_method(callee.text, object, arguments, budget_);
    }
    LK_ASSIGN(function, subscript(object, Value(callee.text)));
  } else {
    LK_ASSIGN(function, evaluate(e.args[0]));
  }
  if (function.macro()) return call_macro(*function.macro(), arguments);
  if (const Builtin* builtin = function.as<Builtin>()) {
    if (builtin->name == "namespace") return make_namespace(arguments);
    return call_builtin(builtin->name, arguments, now_, budget_);
  }
  return template_error(e.line, "'" + callee.text + "' is no function that is known here");
}

Result<Value> Evaluator::call_macro(const MacroDefinition& macro, const Arguments& arguments) {
  if (macro_depth_ == kMaxMacroDepth) {
    return make_error(ErrorCode::kInvalidData, "chat template", "macros call each other too deep");
  }
  if (arguments.positional.size() > macro.parameters.size()) {
    return function_error(macro.name, "too many arguments");
  }
  Scope scope;
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const auto& [name, fallback] = macro.parameters[i];
    Value value = arguments.get(i, name);
    if (value.is_undefined()) {
      LK_ASSIGN(value, evaluate(fallback));
    }
    scope.emplace_back(name, std::move(value));
  }
  const size_t outer_base = std::exchange(base_, scopes_.size());
  scopes_.push_back(std::move(scope));
  ++macro_depth_;
  auto text = capture(macro.body);
  --macro_depth_;
  scopes_.resize(base_);
  base_ = outer_base;
  if (!text.ok()) return text.error();
  return Value(std::move(text).value());
}

Result<Value> Evaluator::make_namespace(const Arguments& arguments) {
  if (namespaces_.size() == kMaxNamespaces) {
    return function_error("namespace", "the template makes too many");
  }
  auto dict = std::make_shared<Dict>();
  dict->entries = arguments.named;
  namespaces_.push_back(dict);
  return Value(std::move(dict));
}

}  // namespace lowkey::models::jinja
