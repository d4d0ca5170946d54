#include "models/chat/operators.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/chat/lexer.h"

namespace lowkey::models::jinja {
namespace {

Error mismatch(std::string_view op, const Value& a, const Value& b) {
  return make_error(
      ErrorCode::kInvalidData, "chat template",
      "'" + std::string(op) + "' does not go with " + a.type_name() + " and " + b.type_name());
}

Error out_of_range(std::string_view op) {
  return make_error(ErrorCode::kInvalidData, "chat template",
                    "'" + std::string(op) + "' divides by zero or leaves the range of integers");
}

/// Python rounds quotients down and gives remainders the divisor's sign.
Result<Value> divide_whole(std::string_view op, int64_t a, int64_t b) {
  if (b == 0 || (a == std::numeric_limits<int64_t>::min() && b == -1)) return out_of_range(op);
  const bool is_uneven = a % b != 0 && (a < 0) != (b < 0);
  if (op == "//") return Value(a / b - (is_uneven ? 1 : 0));
  return Value(a % b + (is_uneven ? b : 0));
}

Result<Value> integer_arithmetic(std::string_view op, int64_t a, int64_t b) {
  if (op == "//" || op == "%") return divide_whole(op, a, b);
  int64_t result = 0;
  const bool overflows = op == "+"   ? __builtin_add_overflow(a, b, &result)
                         : op == "-" ? __builtin_sub_overflow(a, b, &result)
                                     : __builtin_mul_overflow(a, b, &result);
  if (overflows) return out_of_range(op);
  return Value(result);
}

Result<Value> arithmetic(std::string_view op, const Value& a, const Value& b) {
  if (a.is_integer() && b.is_integer() && op != "/") {
    return integer_arithmetic(op, a.integer(), b.integer());
  }
  const double x = a.number(), y = b.number();
  if (op == "+") return Value(x + y);
  if (op == "-") return Value(x - y);
  if (op == "*") return Value(x * y);
  if (y == 0) return out_of_range(op);
  if (op == "/") return Value(x / y);
  const double whole = std::floor(x / y);
  return Value(op == "//" ? whole : x - whole * y);
}

Result<Value> repeat(const Value& text, const Value& times, Budget& budget) {
  const size_t n = size_t(std::clamp<int64_t>(times.integer(), 0, int64_t(Budget::kMaxBytes)));
  LK_RETURN_IF_ERROR(budget.charge(std::min(n * text.string()->size(), Budget::kMaxBytes + 1)));
  std::string out;
  for (size_t i = 0; i < n && !text.string()->empty(); ++i) out += *text.string();
  return Value(std::move(out));
}

Result<Value> join_lists(const List& a, const List& b, Budget& budget) {
  LK_RETURN_IF_ERROR(budget.charge((a.size() + b.size()) * sizeof(Value)));
  List out = a;
  out.insert(out.end(), b.begin(), b.end());
  return Value(std::move(out));
}

Result<Value> concatenate(const Value& a, const Value& b, Budget& budget) {
  LK_ASSIGN(std::string left, to_text(a, budget.left()));
  LK_ASSIGN(const std::string right, to_text(b, budget.left()));
  LK_RETURN_IF_ERROR(budget.charge(left.size() + right.size()));
  return Value(std::move(left) + right);
}

Result<Value> contains(const Value& item, const Value& container, Budget& budget) {
  if (container.string()) {
    if (!item.string()) return mismatch("in", item, container);
    return Value(container.string()->find(*item.string()) != std::string::npos);
  }
  if (container.dict()) {
    return Value(item.string() && container.dict()->find(*item.string()) != nullptr);
  }
  LK_ASSIGN(const List list, elements_of(container, budget));
  return Value(std::any_of(list.begin(), list.end(),
                           [&](const Value& element) { return equal(element, item); }));
}

Result<Value> order(std::string_view op, const Value& a, const Value& b) {
  const bool swaps = op == ">" || op == "<=";
  LK_ASSIGN(const bool is_less, swaps ? less(b, a) : less(a, b));
  return Value(op.size() == 2 ? !is_less : is_less);
}

}  // namespace

Result<Value> apply_operator(std::string_view op, const Value& a, const Value& b, Budget& budget) {
  if (op == "~") return concatenate(a, b, budget);
  if (op == "==") return Value(equal(a, b));
  if (op == "!=") return Value(!equal(a, b));
  if (op == "in") return contains(a, b, budget);
  if (op == "not in") {
    LK_ASSIGN(const Value found, contains(a, b, budget));
    return Value(!found.truthy());
  }
  if (op[0] == '<' || op[0] == '>') return order(op, a, b);
  if (a.is_number() && b.is_number()) return arithmetic(op, a, b);
  if (op == "+" && a.string() && b.string()) return concatenate(a, b, budget);
  if (op == "+" && a.list() && b.list()) return join_lists(*a.list(), *b.list(), budget);
  if (op == "*" && a.string() && b.is_integer()) return repeat(a, b, budget);
  if (op == "*" && b.string() && a.is_integer()) return repeat(b, a, budget);
  return mismatch(op, a, b);
}

Result<Value> apply_sign(std::string_view op, const Value& operand) {
  if (op == "not") return Value(!operand.truthy());
  if (!operand.is_number()) return mismatch(op, operand, operand);
  return arithmetic(op, Value(int64_t{0}), operand);
}

Result<bool> less(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  if (a.string() && b.string()) return *a.string() < *b.string();
  return mismatch("<", a, b);
}

}  // namespace lowkey::models::jinja
