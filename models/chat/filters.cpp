#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "models/chat/functions.h"
#include "models/chat/operators.h"

namespace lowkey::models::jinja {
namespace {

using Filter = Result<Value> (*)(const Value&, const Arguments&, Budget&);

Result<Value> text_of(const Value& value, Budget& budget) {
  LK_ASSIGN(std::string text, to_text(value, budget.left()));
  LK_RETURN_IF_ERROR(budget.charge(text.size()));
  return Value(std::move(text));
}

/// A filter that is a function of the value's text.
template <std::string (*function)(std::string_view)>
Result<Value> on_text(const Value& value, const Arguments&, Budget& budget) {
  LK_ASSIGN(const Value text, text_of(value, budget));
  return Value(function(*text.string()));
}

Result<Value> trim(const Value& value, const Arguments& a, Budget& budget) {
  LK_ASSIGN(const Value text, text_of(value, budget));
  return Value(stripped(*text.string(), a.string(0, "chars"), true, true));
}

Result<Value> length(const Value& value, const Arguments&, Budget&) { return length_of(value); }

Result<Value> fallback(const Value& value, const Arguments& a, Budget&) {
  const bool is_missing = value.is_undefined() || (a.get(1, "boolean").truthy() && !value.truthy());
  if (!is_missing) return value;
  const Value& other = a.get(0, "default_value");
  return other.is_undefined() ? Value("") : other;
}

Result<Value> json(const Value& value, const Arguments& a, Budget& budget) {
  const Value& indent = a.get(0, "indent");
  LK_ASSIGN(std::string text,
            to_json(value, indent.is_integer() ? indent.integer() : -1, budget.left()));
  LK_RETURN_IF_ERROR(budget.charge(text.size()));
  return Value(std::move(text));
}

Result<Value> join(const Value& value, const Arguments& a, Budget& budget) {
  LK_ASSIGN(const List list, elements_of(value, budget));
  const std::string* separator = a.string(0, "d");
  const std::string* attribute = a.string(1, "attribute");
  std::string out;
  for (size_t i = 0; i < list.size(); ++i) {
    Value part = list[i];
    if (attribute) {
      LK_ASSIGN(part, subscript(list[i], Value(*attribute)));
    }
    LK_ASSIGN(const Value text, text_of(part, budget));
    if (i > 0 && separator) {
      LK_RETURN_IF_ERROR(budget.charge(separator->size()));
      out += *separator;
    }
    out += *text.string();
  }
  return Value(std::move(out));
}

Result<Value> first(const Value& value, const Arguments&, Budget& budget) {
  LK_ASSIGN(const List list, elements_of(value, budget));
  return list.empty() ? Value(Undefined{"first"}) : list.front();
}

Result<Value> last(const Value& value, const Arguments&, Budget& budget) {
  LK_ASSIGN(const List list, elements_of(value, budget));
  return list.empty() ? Value(Undefined{"last"}) : list.back();
}

Result<Value> reverse(const Value& value, const Arguments&, Budget& budget) {
  if (value.string()) return slice(value, {{}, {}, Value(int64_t{-1})}, budget);
  LK_ASSIGN(List list, elements_of(value, budget));
  std::reverse(list.begin(), list.end());
  return Value(std::move(list));
}

Result<Value> replace(const Value& value, const Arguments& a, Budget& budget) {
  LK_ASSIGN(const Value text, text_of(value, budget));
  const std::string *from = a.string(0, "old"), *to = a.string(1, "new");
  if (!from || !to) return function_error("replace", "expected two texts");
  const Value& count = a.get(2, "count");
  return replaced(*text.string(), *from, *to, count.is_integer() ? count.integer() : -1, budget);
}

Result<Value> string(const Value& value, const Arguments&, Budget& budget) {
  return text_of(value, budget);
}

Result<Value> unchanged(const Value& value, const Arguments&, Budget&) { return value; }

Result<Value> list(const Value& value, const Arguments&, Budget& budget) {
  LK_ASSIGN(List elements, elements_of(value, budget));
  return Value(std::move(elements));
}

Result<Value> items(const Value& value, const Arguments&, Budget& budget) {
  if (value.is_undefined()) return Value(List{});
  return call_method("items", value, {}, budget);
}

Result<Value> whole_number(const Value& value, const Arguments& a, Budget&) {
  const Value& other = a.get(0, "default");
  if (value.is_integer()) return Value(value.integer());
  if (value.is_number() && std::fabs(value.number()) < 9e18) return Value(int64_t(value.number()));
  int64_t parsed = 0;
  if (value.string()) {
    const std::string text = stripped(*value.string(), nullptr, true, true);
    const char* end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, parsed);
    if (result.ec == std::errc() && result.ptr == end) return Value(parsed);
  }
  return other.is_undefined() ? Value(int64_t{0}) : other;
}

Result<Value> absolute(const Value& value, const Arguments&, Budget& budget) {
  if (!value.is_number()) return function_error("abs", "expected a number");
  return value.number() < 0 ? apply_operator("-", Value(int64_t{0}), value, budget) : value;
}

/// map(attribute="x"), or map("filter").
Result<Value> map(const Value& value, const Arguments& a, Budget& budget) {
  LK_ASSIGN(const List elements, elements_of(value, budget));
  const Value& attribute = a.get(size_t(-1), "attribute");
  Arguments rest = a;
  if (!rest.positional.empty()) rest.positional.erase(rest.positional.begin());
  List out;
  for (const Value& element : elements) {
    LK_RETURN_IF_ERROR(budget.step());
    if (attribute.string()) {
      LK_ASSIGN(Value part, subscript(element, attribute));
      out.push_back(std::move(part));
      continue;
    }
    if (!a.string(0)) return function_error("map", "expected an attribute or a filter");
    if (*a.string(0) == "map") return function_error("map", "a map of maps is not known");
    LK_ASSIGN(Value part, apply_filter(*a.string(0), element, rest, budget));
    out.push_back(std::move(part));
  }
  return Value(std::move(out));
}

/// select(test...), selectattr(attribute, test...) and their opposites.
template <bool by_attribute, bool wanted>
Result<Value> select(const Value& value, const Arguments& a, Budget& budget) {
  LK_ASSIGN(const List elements, elements_of(value, budget));
  const size_t n_before_test = by_attribute ? 1 : 0;
  if (by_attribute && !a.string(0)) return function_error("selectattr", "expected an attribute");
  const std::string* test = a.string(n_before_test);
  Arguments rest;
  for (size_t i = n_before_test + 1; i < a.positional.size(); ++i) {
    rest.positional.push_back(a.positional[i]);
  }
  List out;
  for (const Value& element : elements) {
    LK_RETURN_IF_ERROR(budget.step());
    Value subject = element;
    if (by_attribute) {
      LK_ASSIGN(subject, subscript(element, a.positional[0]));
    }
    if (test) {
      LK_ASSIGN(subject, apply_test(*test, subject, rest, budget));
    }
    if (subject.truthy() == wanted) out.push_back(element);
  }
  return Value(std::move(out));
}

const std::unordered_map<std::string_view, Filter>& filters() {
  static const std::unordered_map<std::string_view, Filter> table = {
      {"trim", trim},
      {"length", length},
      {"count", length},
      {"default", fallback},
      {"d", fallback},
      {"tojson", json},
      {"join", join},
      {"first", first},
      {"last", last},
      {"reverse", reverse},
      {"replace", replace},
      {"string", string},
      {"safe", unchanged},
      {"list", list},
      {"items", items},
      {"int", whole_number},
      {"abs", absolute},
      {"map", map},
      {"upper", on_text<upper_case>},
      {"lower", on_text<lower_case>},
      {"capitalize", on_text<capitalized>},
      {"title", on_text<title_case>},
      {"select", select<false, true>},
      {"reject", select<false, false>},
      {"selectattr", select<true, true>},
      {"rejectattr", select<true, false>},
  };
  return table;
}

}  // namespace

Result<Value> apply_filter(std::string_view name, const Value& value, const Arguments& arguments,
                           Budget& budget) {
  const auto it = filters().find(name);
  if (it == filters().end()) {
    return make_error(ErrorCode::kUnsupported, "chat template",
                      "the filter '" + std::string(name) + "' is not known");
  }
  return it->second(value, arguments, budget);
}

}  // namespace lowkey::models::jinja
