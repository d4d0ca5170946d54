// The named parts of the language: filters, tests, methods and global functions.
#pragma once

#include <ctime>
#include <string_view>

#include "models/chat/arguments.h"
#include "models/chat/budget.h"

namespace lowkey::models::jinja {

/// value | name(arguments). kUnsupported for a name outside the subset.
Result<Value> apply_filter(std::string_view name, const Value& value, const Arguments& arguments,
                           Budget& budget);

/// value is name(arguments).
Result<Value> apply_test(std::string_view name, const Value& value, const Arguments& arguments,
                         Budget& budget);

/// value.name(arguments) for strings and mappings.
Result<Value> call_method(std::string_view name, const Value& value, const Arguments& arguments,
                          Budget& budget);
bool has_method(std::string_view name, const Value& value);

/// raise_exception, range, dict, strftime_now (of `now`, in local time).
Result<Value> call_builtin(std::string_view name, const Arguments& arguments, std::time_t now,
                           Budget& budget);

/// str.strip and its halves: white space, or the characters of `set`.
std::string stripped(std::string_view text, const std::string* set, bool left, bool right);
/// str.replace; `count` < 0: all.
Result<Value> replaced(std::string_view text, std::string_view from, std::string_view to,
                       int64_t count, Budget& budget);

/// ASCII only, as templates use them.
std::string upper_case(std::string_view text);
std::string lower_case(std::string_view text);
std::string capitalized(std::string_view text);
std::string title_case(std::string_view text);

Error function_error(std::string_view name, std::string what);

}  // namespace lowkey::models::jinja
