// `is defined`, `is string` and the other tests.
#include <algorithm>
#include <string>
#include <unordered_map>

#include "models/chat/functions.h"
#include "models/chat/operators.h"

namespace lowkey::models::jinja {
namespace {

using Test = bool (*)(const Value&);

bool is_iterable(const Value& v) { return v.string() || v.list() || v.dict(); }

const std::unordered_map<std::string_view, Test>& simple_tests() {
  static const std::unordered_map<std::string_view, Test> tests = {
      {"defined", [](const Value& v) { return !v.is_undefined(); }},
      {"undefined", [](const Value& v) { return v.is_undefined(); }},
      {"none", [](const Value& v) { return v.is_none(); }},
      {"string", [](const Value& v) { return v.string() != nullptr; }},
      {"mapping", [](const Value& v) { return v.dict() != nullptr; }},
      {"iterable", is_iterable},
      {"sequence", is_iterable},
      {"number", [](const Value& v) { return v.is_number(); }},
      {"integer", [](const Value& v) { return v.as<int64_t>() != nullptr; }},
      {"float", [](const Value& v) { return v.as<double>() != nullptr; }},
      {"boolean", [](const Value& v) { return v.as<bool>() != nullptr; }},
      {"true", [](const Value& v) { return v.as<bool>() && *v.as<bool>(); }},
      {"false", [](const Value& v) { return v.as<bool>() && !*v.as<bool>(); }},
      {"odd", [](const Value& v) { return v.is_integer() && v.integer() % 2 != 0; }},
      {"even", [](const Value& v) { return v.is_integer() && v.integer() % 2 == 0; }},
      {"callable", [](const Value& v) { return v.macro() || v.as<Builtin>(); }},
      {"lower",
       [](const Value& v) { return v.string() && lower_case(*v.string()) == *v.string(); }},
      {"upper",
       [](const Value& v) { return v.string() && upper_case(*v.string()) == *v.string(); }},
  };
  return tests;
}

/// Tests that are operators by another name.
std::string_view operator_of(std::string_view test) {
  static const std::unordered_map<std::string_view, std::string_view> operators = {
      {"eq", "=="}, {"equalto", "=="}, {"ne", "!="}, {"lt", "<"},          {"lessthan", "<"},
      {"le", "<="}, {"gt", ">"},       {"ge", ">="}, {"greaterthan", ">"}, {"in", "in"}};
  const auto it = operators.find(test);
  return it == operators.end() ? std::string_view() : it->second;
}

}  // namespace

Result<Value> apply_test(std::string_view name, const Value& value, const Arguments& arguments,
                         Budget& budget) {
  if (const auto it = simple_tests().find(name); it != simple_tests().end()) {
    return Value(it->second(value));
  }
  const Value& other = arguments.get(0, "other");
  if (const auto op = operator_of(name); !op.empty()) {
    return apply_operator(op, value, other, budget);
  }
  if (name == "divisibleby") {
    LK_ASSIGN(const Value rest, apply_operator("%", value, other, budget));
    return Value(!rest.truthy());
  }
  return make_error(ErrorCode::kUnsupported, "chat template",
                    "the test '" + std::string(name) + "' is not known");
}

}  // namespace lowkey::models::jinja
