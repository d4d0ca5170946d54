#include <algorithm>

#include "models/chat/functions.h"

namespace lowkey::models::jinja {
namespace {

constexpr std::string_view kSpaces = " \t\n\r\f\v";

char to_upper(char c) { return c >= 'a' && c <= 'z' ? char(c - 32) : c; }
char to_lower(char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; }
bool is_letter(char c) { return to_upper(c) != to_lower(c) || uint8_t(c) >= 0x80; }

}  // namespace

std::string stripped(std::string_view text, const std::string* set, bool left, bool right) {
  const std::string_view unwanted = set ? std::string_view(*set) : kSpaces;
  while (left && !text.empty() && unwanted.find(text.front()) != std::string_view::npos) {
    text.remove_prefix(1);
  }
  while (right && !text.empty() && unwanted.find(text.back()) != std::string_view::npos) {
    text.remove_suffix(1);
  }
  return std::string(text);
}

Result<Value> replaced(std::string_view text, std::string_view from, std::string_view to,
                       int64_t count, Budget& budget) {
  if (from.empty()) return function_error("replace", "expected text to look for, found none");
  std::string out;
  for (; count != 0; --count) {
    const size_t at = text.find(from);
    if (at == std::string_view::npos) break;
    LK_RETURN_IF_ERROR(budget.charge(at + to.size()));
    out += text.substr(0, at);
    out += to;
    text.remove_prefix(at + from.size());
  }
  LK_RETURN_IF_ERROR(budget.charge(text.size()));
  return Value(out + std::string(text));
}

std::string upper_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), to_upper);
  return out;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), to_lower);
  return out;
}

std::string capitalized(std::string_view text) {
  std::string out = lower_case(text);
  if (!out.empty()) out[0] = to_upper(out[0]);
  return out;
}

std::string title_case(std::string_view text) {
  std::string out = lower_case(text);
  for (size_t i = 0; i < out.size(); ++i) {
    if (i == 0 || !is_letter(out[i - 1])) out[i] = to_upper(out[i]);
  }
  return out;
}

Error function_error(std::string_view name, std::string what) {
  return make_error(ErrorCode::kInvalidData, "chat template: " + std::string(name),
                    std::move(what));
}

}  // namespace lowkey::models::jinja
