// The values that a chat template computes with: Python's, as far as templates use them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace lowkey::models::jinja {

class Value;
struct MacroDefinition;

using List = std::vector<Value>;
/// Keeps the order of insertion, as Python does; templates' mappings are small.
struct Dict {
  std::vector<std::pair<std::string, Value>> entries;

  const Value* find(std::string_view key) const;
  void set(std::string_view key, Value value);
};

struct Undefined {
  std::string name;  // what was looked for
};
struct None {};
/// A function of the engine, known by name.
struct Builtin {
  std::string_view name;
};

class Value {
 public:
  Value() = default;  // undefined
  Value(Undefined u) : state_(std::move(u)) {}
  Value(None) : state_(None{}) {}
  Value(bool b) : state_(b) {}
  Value(int64_t i) : state_(i) {}
  Value(double d) : state_(d) {}
  Value(std::string s) : state_(std::move(s)) {}
  Value(const char* s) : state_(std::string(s)) {}
  Value(List list) : state_(std::make_shared<const List>(std::move(list))) {}
  Value(std::shared_ptr<Dict> dict) : state_(std::move(dict)) {}
  Value(const MacroDefinition* macro) : state_(macro) {}
  Value(Builtin builtin) : state_(builtin) {}

  template <class T>
  const T* as() const {
    return std::get_if<T>(&state_);
  }
  const std::string* string() const { return as<std::string>(); }
  const List* list() const;  // null unless a list
  Dict* dict() const;        // null unless a mapping or namespace
  const MacroDefinition* macro() const;

  bool is_undefined() const { return as<Undefined>() != nullptr; }
  bool is_none() const { return as<None>() != nullptr; }
  bool is_number() const { return as<int64_t>() || as<double>() || as<bool>(); }
  double number() const;  // of a number; a bool is 0 or 1
  bool is_integer() const { return as<int64_t>() || as<bool>(); }
  int64_t integer() const;  // of an integer or bool

  bool truthy() const;
  /// "string", "mapping", ...: for messages.
  const char* type_name() const;

 private:
  std::variant<Undefined, None, bool, int64_t, double, std::string, std::shared_ptr<const List>,
               std::shared_ptr<Dict>, const MacroDefinition*, Builtin>
      state_;
};

/// Python's ==. Structures nested deeper than a limit count as different.
bool equal(const Value& a, const Value& b, int depth = 0);

/// What {{ value }} prints. kInvalidData if nested too deep (a namespace can hold itself) or
/// longer than `max_bytes`.
Result<std::string> to_text(const Value& value, size_t max_bytes);
/// json.dumps with ensure_ascii off; `indent` < 0 writes one line.
Result<std::string> to_json(const Value& value, int64_t indent, size_t max_bytes);

Value make_dict(std::vector<std::pair<std::string, Value>> entries);

}  // namespace lowkey::models::jinja
