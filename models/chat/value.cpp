#include "models/chat/value.h"

#include <algorithm>

namespace lowkey::models::jinja {
namespace {

constexpr int kMaxCompareDepth = 50;

bool equal_lists(const List& a, const List& b, int depth) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [depth](const Value& x, const Value& y) { return equal(x, y, depth); });
}

bool equal_dicts(const Dict& a, const Dict& b, int depth) {
  if (a.entries.size() != b.entries.size()) return false;
  return std::all_of(a.entries.begin(), a.entries.end(), [&](const auto& entry) {
    const Value* other = b.find(entry.first);
    return other && equal(entry.second, *other, depth);
  });
}

}  // namespace

const Value* Dict::find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name == key) return &value;
  }
  return nullptr;
}

void Dict::set(std::string_view key, Value value) {
  for (auto& [name, old] : entries) {
    if (name == key) {
      old = std::move(value);
      return;
    }
  }
  entries.emplace_back(std::string(key), std::move(value));
}

const List* Value::list() const {
  const auto* list = as<std::shared_ptr<const List>>();
  return list ? list->get() : nullptr;
}

Dict* Value::dict() const {
  const auto* dict = as<std::shared_ptr<Dict>>();
  return dict ? dict->get() : nullptr;
}

const MacroDefinition* Value::macro() const {
  const auto* macro = as<const MacroDefinition*>();
  return macro ? *macro : nullptr;
}

double Value::number() const {
  if (const auto* d = as<double>()) return *d;
  return double(integer());
}

int64_t Value::integer() const {
  if (const auto* b = as<bool>()) return *b ? 1 : 0;
  const auto* i = as<int64_t>();
  return i ? *i : 0;
}

bool Value::truthy() const {
  if (is_undefined() || is_none()) return false;
  if (is_number()) return number() != 0;
  if (string()) return !string()->empty();
  if (list()) return !list()->empty();
  if (dict()) return !dict()->entries.empty();
  return true;
}

const char* Value::type_name() const {
  if (is_undefined()) return "undefined";
  if (is_none()) return "none";
  if (as<bool>()) return "boolean";
  if (as<int64_t>()) return "integer";
  if (as<double>()) return "float";
  if (string()) return "string";
  if (list()) return "list";
  if (dict()) return "mapping";
  return "function";
}

bool equal(const Value& a, const Value& b, int depth) {
  if (depth > kMaxCompareDepth) return false;
  if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.string() && b.string()) return *a.string() == *b.string();
  if (a.is_none() || a.is_undefined()) {
    return a.is_none() ? b.is_none() : b.is_undefined();
  }
  if (a.list() && b.list()) return equal_lists(*a.list(), *b.list(), depth + 1);
  if (a.dict() && b.dict()) return equal_dicts(*a.dict(), *b.dict(), depth + 1);
  return a.macro() && a.macro() == b.macro();
}

Value make_dict(std::vector<std::pair<std::string, Value>> entries) {
  auto dict = std::make_shared<Dict>();
  dict->entries = std::move(entries);
  return Value(std::move(dict));
}

}  // namespace lowkey::models::jinja
