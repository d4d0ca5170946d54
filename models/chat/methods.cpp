// Methods of strings and mappings, and the global functions.
#include <algorithm>
#include <iterator>
#include <string>

#include "models/chat/functions.h"
#include "models/chat/operators.h"

namespace lowkey::models::jinja {
namespace {

constexpr std::string_view kStringMethods[] = {
    "strip",        "lstrip",       "rstrip", "startswith", "endswith",   "split",
    "replace",      "upper",        "lower",  "title",      "capitalize", "join",
    "removeprefix", "removesuffix", "find",   "count",      "isdigit",    "splitlines"};
constexpr std::string_view kDictMethods[] = {"items", "keys", "values", "get"};
constexpr int64_t kMaxRange = 100'000;

/// str.split: at runs of white space, or at every `separator`; at most `max` cuts if >= 0.
Result<Value> split(std::string_view text, const std::string* separator, int64_t max,
                    Budget& budget) {
  List out;
  if (separator && separator->empty()) return function_error("split", "the separator is empty");
  const std::string rest = separator ? "" : stripped(text, nullptr, true, false);
  if (!separator) text = rest;
  while (separator || !text.empty()) {
    LK_RETURN_IF_ERROR(budget.charge(sizeof(Value)));
    const size_t at = max == 0    ? std::string_view::npos
                      : separator ? text.find(*separator)
                                  : text.find_first_of(" \t\n\r\f\v");
    if (at == std::string_view::npos) break;
    out.emplace_back(std::string(text.substr(0, at)));
    const size_t next = separator
                            ? at + separator->size()
                            : std::min(text.find_first_not_of(" \t\n\r\f\v", at), text.size());
    text.remove_prefix(next);
    --max;
  }
  if (separator || !text.empty()) out.emplace_back(std::string(text));
  LK_RETURN_IF_ERROR(budget.charge(text.size()));
  return Value(std::move(out));
}

/// str.startswith and str.endswith: one text, or any of a list.
Result<Value> has_end(std::string_view text, const Value& ends, bool at_front) {
  const List list = ends.list() ? *ends.list() : List{ends};
  for (const Value& end : list) {
    if (!end.string()) return function_error("startswith", "expected text");
    if (at_front ? text.starts_with(*end.string()) : text.ends_with(*end.string())) {
      return Value(true);
    }
  }
  return Value(false);
}

int64_t count_of(std::string_view text, std::string_view part) {
  int64_t n = 0;
  for (size_t at = text.find(part); !part.empty() && at != std::string_view::npos;
       at = text.find(part, at + part.size())) {
    ++n;
  }
  return n;
}

/// Methods whose only argument, if any, is a text.
Result<Value> string_method(std::string_view name, const std::string& text, const Value& self,
                            const Arguments& a, Budget& budget) {
  LK_RETURN_IF_ERROR(budget.charge(text.size()));
  if (name == "strip") return Value(stripped(text, a.string(0), true, true));
  if (name == "lstrip") return Value(stripped(text, a.string(0), true, false));
  if (name == "rstrip") return Value(stripped(text, a.string(0), false, true));
  if (name == "upper") return Value(upper_case(text));
  if (name == "lower") return Value(lower_case(text));
  if (name == "title") return Value(title_case(text));
  if (name == "capitalize") return Value(capitalized(text));
  if (name == "startswith") return has_end(text, a.get(0, ""), true);
  if (name == "endswith") return has_end(text, a.get(0, ""), false);
  if (name == "isdigit") {
    return Value(!text.empty() && text.find_first_not_of("0123456789") == std::string::npos);
  }
  if (name == "split") {
    const Value& max = a.get(1, "maxsplit");
    return split(text, a.string(0, "sep"), max.is_integer() ? max.integer() : -1, budget);
  }
  if (name == "splitlines") {
    const std::string newline = "\n",
                      body = text.ends_with('\n') ? text.substr(0, text.size() - 1) : text;
    return text.empty() ? Result<Value>(Value(List{})) : split(body, &newline, -1, budget);
  }
  if (name == "join") {
    Arguments separator;
    separator.positional = {self};
    return apply_filter("join", a.get(0, ""), separator, budget);
  }
  const std::string* part = a.string(0);
  if (!part) return function_error(name, "expected text");
  if (name == "find")
    return Value(text.find(*part) == std::string::npos ? int64_t{-1} : int64_t(text.find(*part)));
  if (name == "count") return Value(count_of(text, *part));
  if (name == "removeprefix") return Value(text.substr(text.starts_with(*part) ? part->size() : 0));
  if (name == "removesuffix") {
    return Value(text.substr(0, text.size() - (text.ends_with(*part) ? part->size() : 0)));
  }
  const std::string* to = a.string(1);
  if (!to) return function_error(name, "expected two texts");
  const Value& count = a.get(2, "count");
  return replaced(text, *part, *to, count.is_integer() ? count.integer() : -1, budget);
}

Result<Value> dict_method(std::string_view name, const Dict& dict, const Arguments& a,
                          Budget& budget) {
  if (name == "get") {
    const Value* found = a.string(0) ? dict.find(*a.string(0)) : nullptr;
    if (found) return *found;
    return a.get(1, "default").is_undefined() ? Value(None{}) : a.get(1, "default");
  }
  LK_RETURN_IF_ERROR(budget.charge(dict.entries.size() * 3 * sizeof(Value)));
  List out;
  for (const auto& [key, value] : dict.entries) {
    if (name == "keys") {
      out.emplace_back(key);
    } else if (name == "values") {
      out.push_back(value);
    } else {
      out.emplace_back(List{Value(key), value});
    }
  }
  return Value(std::move(out));
}

Result<Value> range(const Arguments& a, Budget& budget) {
  for (const Value& bound : a.positional) {
    if (!bound.is_integer()) return function_error("range", "expected integers");
  }
  const size_t n = a.positional.size();
  const int64_t start = n > 1 ? a.get(0, "").integer() : 0;
  const int64_t stop = a.get(n > 1 ? 1 : 0, "").integer();
  const int64_t step = n > 2 ? a.get(2, "").integer() : 1;
  if (n == 0 || n > 3 || step == 0) return function_error("range", "expected 1 to 3 integers");
  const double length = (double(stop) - double(start)) / double(step);
  if (length > double(kMaxRange)) return function_error("range", "the range is too long");
  LK_RETURN_IF_ERROR(budget.charge(size_t(std::max(0.0, length) + 1) * sizeof(Value)));
  List out;
  for (double i = 0; i < length; ++i) out.emplace_back(start + int64_t(i) * step);
  return Value(std::move(out));
}

Result<Value> time_text(const Arguments& a, std::time_t now) {
  const std::string* format = a.string(0);
  std::tm parts = {};
  if (!format || format->size() > 200 || !localtime_r(&now, &parts)) {
    return function_error("strftime_now", "expected a short format");
  }
  char text[2000] = {};
  const size_t n = std::strftime(text, sizeof(text), format->c_str(), &parts);
  return Value(std::string(text, n));
}

}  // namespace

bool has_method(std::string_view name, const Value& value) {
  auto among = [name](const auto& names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  return (value.string() && among(kStringMethods)) || (value.dict() && among(kDictMethods));
}

Result<Value> call_method(std::string_view name, const Value& value, const Arguments& arguments,
                          Budget& budget) {
  if (!has_method(name, value)) {
    return make_error(
        ErrorCode::kUnsupported, "chat template",
        std::string(value.type_name()) + " has no method '" + std::string(name) + "'");
  }
  if (value.dict()) return dict_method(name, *value.dict(), arguments, budget);
  return string_method(name, *value.string(), value, arguments, budget);
}

Result<Value> call_builtin(std::string_view name, const Arguments& arguments, std::time_t now,
                           Budget& budget) {
  if (name == "range") return range(arguments, budget);
  if (name == "dict") return make_dict(arguments.named);
  if (name == "strftime_now") return time_text(arguments, now);
  LK_ASSIGN(std::string words, to_text(arguments.get(0, "message"), budget.left()));
  return make_error(ErrorCode::kInvalidArgument, "chat template refuses", std::move(words));
}

}  // namespace lowkey::models::jinja
