#include "models/chat/evaluator.h"

#include <algorithm>

#include "models/chat/depth_guard.h"
#include "models/chat/functions.h"
#include "models/chat/lexer.h"
#include "models/chat/operators.h"

namespace lowkey::models::jinja {
namespace {

/// The `loop` variable at element `i`.
Value loop_variable(const List& items, size_t i) {
  const auto n = int64_t(items.size()), at = int64_t(i);
  std::vector<std::pair<std::string, Value>> fields = {
      {"index", Value(at + 1)},    {"index0", Value(at)},
      {"revindex", Value(n - at)}, {"revindex0", Value(n - at - 1)},
      {"first", Value(at == 0)},   {"last", Value(at + 1 == n)},
      {"length", Value(n)}};
  if (i > 0) fields.emplace_back("previtem", items[i - 1]);
  if (i + 1 < items.size()) fields.emplace_back("nextitem", items[i + 1]);
  return make_dict(std::move(fields));
}

Error at_line(Error error, int line) {
  if (error.where == "chat template") error.where += " line " + std::to_string(line);
  return error;
}

}  // namespace

Evaluator::Evaluator(std::vector<std::pair<std::string, Value>> globals, std::time_t now)
    : now_(now) {
  for (const char* name : {"range", "dict", "namespace", "raise_exception", "strftime_now"}) {
    globals.emplace_back(name, Value(Builtin{name}));
  }
  scopes_.push_back(std::move(globals));
}

Evaluator::~Evaluator() {
  for (const auto& dict : namespaces_) dict->entries.clear();
}

Result<std::string> Evaluator::run(const Block& block) {
  LK_RETURN_IF_ERROR(run_block(block));
  return std::move(output_);
}

Result<Evaluator::Flow> Evaluator::run_block(const Block& block) {
  const DepthGuard guard(depth_);
  LK_RETURN_IF_ERROR(check_depth());
  for (const Statement& statement : block) {
    LK_RETURN_IF_ERROR(budget_.step());
    auto flow = run_statement(statement);
    if (!flow.ok()) return at_line(flow.error(), statement.line);
    if (*flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

Result<Evaluator::Flow> Evaluator::run_statement(const Statement& statement) {
  switch (statement.kind) {
    case StatementKind::kText:
      LK_RETURN_IF_ERROR(budget_.charge(statement.text.size()));
      output_ += statement.text;
      return Flow::kOn;
    case StatementKind::kOutput: {
      LK_ASSIGN(const Value value, evaluate(statement.expression));
      LK_RETURN_IF_ERROR(print(value));
      return Flow::kOn;
    }
    case StatementKind::kIf:
      return run_if(statement);
    case StatementKind::kFor:
      return run_for(statement);
    case StatementKind::kSet:
      LK_RETURN_IF_ERROR(run_set(statement));
      return Flow::kOn;
    case StatementKind::kSetBlock:
      LK_RETURN_IF_ERROR(run_set_block(statement));
      return Flow::kOn;
    case StatementKind::kMacro:
      assign(statement.macro->name, Value(statement.macro.get()));
      return Flow::kOn;
    case StatementKind::kScope:
      return run_block(statement.body);
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kOn;
}

Status Evaluator::print(const Value& value) {
  LK_ASSIGN(const std::string text, to_text(value, budget_.left()));
  LK_RETURN_IF_ERROR(budget_.charge(text.size()));
  output_ += text;
  return {};
}

Result<Evaluator::Flow> Evaluator::run_if(const Statement& statement) {
  for (const Branch& branch : statement.branches) {
    if (branch.condition) {
      LK_ASSIGN(const Value condition, evaluate(branch.condition));
      if (!condition.truthy()) continue;
    }
    return run_block(branch.body);
  }
  return Flow::kOn;
}

/// What a loop goes through: with a condition, only the items that pass it.
Result<List> Evaluator::loop_items(const Statement& statement) {
  LK_ASSIGN(const Value source, evaluate(statement.expression));
  LK_ASSIGN(List all, elements_of(source, budget_));
  if (!statement.condition) return all;
  List kept;
  for (const Value& item : all) {
    scopes_.emplace_back();
    LK_RETURN_IF_ERROR(bind_targets(statement, item));
    LK_ASSIGN(const Value passes, evaluate(statement.condition));
    scopes_.pop_back();
    if (passes.truthy()) kept.push_back(item);
  }
  return kept;
}

Result<Evaluator::Flow> Evaluator::run_for(const Statement& statement) {
  LK_ASSIGN(const List items, loop_items(statement));
  if (items.empty() && !statement.branches.empty()) return run_block(statement.branches[0].body);
  for (size_t i = 0; i < items.size(); ++i) {
    LK_RETURN_IF_ERROR(budget_.step());
    scopes_.emplace_back();
    assign("loop", loop_variable(items, i));
    LK_RETURN_IF_ERROR(bind_targets(statement, items[i]));
    LK_ASSIGN(const Flow flow, run_block(statement.body));
    scopes_.pop_back();
    if (flow == Flow::kBreak) break;
  }
  return Flow::kOn;
}

/// One name takes the value, several take its elements.
Status Evaluator::bind_targets(const Statement& statement, const Value& item) {
  if (statement.names.size() == 1) return assign(statement.names[0], item), Status();
  LK_ASSIGN(const List parts, elements_of(item, budget_));
  if (parts.size() != statement.names.size()) {
    return template_error(statement.line, "expected " + std::to_string(statement.names.size()) +
                                              " values to assign, found " +
                                              std::to_string(parts.size()));
  }
  for (size_t i = 0; i < parts.size(); ++i) assign(statement.names[i], parts[i]);
  return {};
}

Status Evaluator::run_set(const Statement& statement) {
  LK_ASSIGN(Value value, evaluate(statement.expression));
  if (statement.text.empty()) return bind_targets(statement, value);
  const Value target = look_up(statement.names[0]);
  const bool is_namespace =
      std::any_of(namespaces_.begin(), namespaces_.end(),
                  [&](const auto& dict) { return dict.get() == target.dict(); });
  if (!is_namespace) {
    return template_error(statement.line, "expected a namespace, found " +
                                              std::string(target.type_name()) + " '" +
                                              statement.names[0] + "'");
  }
  LK_RETURN_IF_ERROR(budget_.charge(sizeof(Value) + statement.text.size()));
  target.dict()->set(statement.text, std::move(value));
  return {};
}

Status Evaluator::run_set_block(const Statement& statement) {
  LK_ASSIGN(std::string text, capture(statement.body));
  return bind_targets(statement, Value(std::move(text)));
}

Result<std::string> Evaluator::capture(const Block& block) {
  std::string outer = std::exchange(output_, {});
  scopes_.emplace_back();
  auto flow = run_block(block);
  scopes_.pop_back();
  std::string inner = std::exchange(output_, std::move(outer));
  if (!flow.ok()) return flow.error();
  return inner;
}

Value Evaluator::look_up(const std::string& name) const {
  for (size_t i = scopes_.size(); i-- > 0;) {
    if (i < base_ && i > 0) continue;
    for (const auto& [key, value] : scopes_[i]) {
      if (key == name) return value;
    }
  }
  return Value(Undefined{name});
}

void Evaluator::assign(const std::string& name, Value value) {
  for (auto& [key, old] : scopes_.back()) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  scopes_.back().emplace_back(name, std::move(value));
}

}  // namespace lowkey::models::jinja
