// Runs a parsed template.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/chat/arguments.h"
#include "models/chat/ast.h"
#include "models/chat/budget.h"

namespace lowkey::models::jinja {

class Evaluator {
 public:
  /// `now` is what strftime_now tells.
  Evaluator(std::vector<std::pair<std::string, Value>> globals, std::time_t now);
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  /// Text that `block` prints; the block must outlive this object.
  Result<std::string> run(const Block& block);

 private:
  enum class Flow { kOn, kBreak, kContinue };
  using Scope = std::vector<std::pair<std::string, Value>>;

  Result<Flow> run_block(const Block& block);
  Result<Flow> run_statement(const Statement& statement);
  Result<Flow> run_if(const Statement& statement);
  Result<Flow> run_for(const Statement& statement);
  Result<List> loop_items(const Statement& statement);
  Status bind_targets(const Statement& statement, const Value& item);
  Status run_set(const Statement& statement);
  Status run_set_block(const Statement& statement);
  Status print(const Value& value);
  /// What `block` prints, taken out of the output.
  Result<std::string> capture(const Block& block);

  Status check_depth() const;
  Result<Value> evaluate(const ExpressionPtr& expression);  // null gives undefined
  Result<Value> evaluate_node(const Expression& e);
  Result<Value> evaluate_list(const Expression& e);
  Result<Value> evaluate_dict(const Expression& e);
  Result<Value> evaluate_binary(const Expression& e);
  Result<Value> evaluate_slice(const Expression& e);
  Result<Value> evaluate_call(const Expression& e);
  Result<Value> evaluate_filter(const Expression& e);
  Result<Value> evaluate_test(const Expression& e);
  Result<Arguments> evaluate_arguments(const Expression& e);
  Result<Value> call_macro(const MacroDefinition& macro, const Arguments& arguments);
  Result<Value> make_namespace(const Arguments& arguments);

  Value look_up(const std::string& name) const;
  void assign(const std::string& name, Value value);

  Budget budget_;
  std::time_t now_;
  std::vector<Scope> scopes_;  // [0]: globals and what the top level sets
  size_t base_ = 0;            // first scope that the running macro may see, besides [0]
  int macro_depth_ = 0;
  int depth_ = 0;
  std::string output_;
  // Mutable, so they could hold themselves: emptied at the end, or they would never be freed.
  std::vector<std::shared_ptr<Dict>> namespaces_;
};

}  // namespace lowkey::models::jinja
