// Elements, lengths, indices and slices.
#include <algorithm>

#include "models/chat/operators.h"
#include "models/tokenizer/utf8.h"

namespace lowkey::models::jinja {
namespace {

Error no_sequence(const Value& value) {
  return make_error(ErrorCode::kInvalidData, "chat template",
                    std::string("expected something with elements, found ") + value.type_name() +
                        (value.is_undefined() ? " '" + value.as<Undefined>()->name + "'" : ""));
}

/// Pieces of one character each; broken bytes count as one each.
std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto n = size_t(next_utf8(text).n_bytes);
    out.push_back(text.substr(0, n));
    text.remove_prefix(n);
  }
  return out;
}

int64_t bound(const Value& value, int64_t fallback, int64_t low, int64_t high, int64_t n) {
  if (!value.is_integer()) return std::clamp(fallback, low, high);
  const int64_t i = std::clamp(value.integer(), -n - 1, n + 1);
  return std::clamp(i < 0 ? i + n : i, low, high);
}

/// Positions that Python's slice takes of `n` elements.
std::vector<int64_t> positions(const SliceBounds& bounds, int64_t n, int64_t step) {
  const bool forward = step > 0;
  const int64_t low = forward ? 0 : -1, high = forward ? n : n - 1;
  const int64_t start = bound(bounds.start, forward ? 0 : n - 1, low, high, n);
  const int64_t stop = bound(bounds.stop, forward ? n : -1, low, high, n);
  std::vector<int64_t> out;
  for (int64_t i = start; forward ? i < stop : i > stop; i += step) out.push_back(i);
  return out;
}

}  // namespace

Result<List> elements_of(const Value& value, Budget& budget) {
  List out;
  if (value.is_undefined()) return out;
  LK_ASSIGN(const Value n, length_of(value));
  LK_RETURN_IF_ERROR(budget.charge(size_t(n.integer()) * sizeof(Value)));
  if (value.list()) return *value.list();
  if (value.string()) {
    for (std::string_view c : characters(*value.string())) out.emplace_back(std::string(c));
  } else {
    for (const auto& entry : value.dict()->entries) out.emplace_back(entry.first);
  }
  return out;
}

Result<Value> length_of(const Value& value) {
  if (value.list()) return Value(int64_t(value.list()->size()));
  if (value.dict()) return Value(int64_t(value.dict()->entries.size()));
  if (value.string()) return Value(int64_t(characters(*value.string()).size()));
  if (value.is_undefined()) return Value(int64_t{0});
  return no_sequence(value);
}

Result<Value> subscript(const Value& a, const Value& b) {
  if (a.is_undefined()) return no_sequence(a);
  if (a.dict()) {
    const Value* found = b.string() ? a.dict()->find(*b.string()) : nullptr;
    return found ? *found : Value(Undefined{b.string() ? *b.string() : "key"});
  }
  if (!b.is_integer() || (!a.list() && !a.string())) {
    return Value(Undefined{b.string() ? *b.string() : "index"});
  }
  LK_ASSIGN(const Value length, length_of(a));
  const int64_t n = length.integer();
  if (b.integer() < -n || b.integer() >= n) return Value(Undefined{"index"});
  const auto i = size_t(b.integer() < 0 ? b.integer() + n : b.integer());
  if (a.list()) return (*a.list())[i];
  return Value(std::string(characters(*a.string())[i]));
}

Result<Value> slice(const Value& a, const SliceBounds& bounds, Budget& budget) {
  if (!a.list() && !a.string()) return no_sequence(a);
  int64_t step = bounds.step.is_integer() ? bounds.step.integer() : 1;
  if (step == 0) {
    return make_error(ErrorCode::kInvalidData, "chat template", "a slice has step 0");
  }
  LK_ASSIGN(const List all, elements_of(a, budget));
  const auto n = int64_t(all.size());
  step = std::clamp(step, -n - 1, n + 1);  // longer ones take the same elements
  List list;
  std::string text;
  for (int64_t i : positions(bounds, n, step)) {
    if (a.list()) {
      list.push_back(all[size_t(i)]);
    } else {
      text += *all[size_t(i)].string();
    }
  }
  return a.list() ? Value(std::move(list)) : Value(std::move(text));
}

}  // namespace lowkey::models::jinja
