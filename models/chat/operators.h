// Operators, indices and slices on values.
#pragma once

#include <string_view>

#include "models/chat/budget.h"
#include "models/chat/value.h"

namespace lowkey::models::jinja {

/// "+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in".
/// Errors name the types; results are charged to `budget`.
Result<Value> apply_operator(std::string_view op, const Value& a, const Value& b, Budget& budget);
Result<Value> apply_sign(std::string_view op, const Value& operand);

/// a[b]; undefined if there is no such element, as in Jinja. Strings count characters.
Result<Value> subscript(const Value& a, const Value& b);

struct SliceBounds {
  Value start, stop, step;  // undefined or none: left out
};
Result<Value> slice(const Value& a, const SliceBounds& bounds, Budget& budget);

/// Elements of a list, keys of a mapping, characters of a string; nothing for undefined.
Result<List> elements_of(const Value& value, Budget& budget);
/// Characters of a string, entries of a list or mapping.
Result<Value> length_of(const Value& value);

/// a < b for numbers and strings.
Result<bool> less(const Value& a, const Value& b);

}  // namespace lowkey::models::jinja
