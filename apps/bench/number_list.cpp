#include "apps/bench/number_list.h"

#include <algorithm>
#include <charconv>

namespace lowkey::apps {

namespace {

constexpr int64_t kLargest = int64_t{1} << 32;
constexpr size_t kMostItems = 10000;

struct Item {
  int64_t first = 0, last = 0, step = 1;
  char kind = '+';
};

/// Takes a number off the front of `text`.
bool take_number(std::string_view& text, int64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0 || value > kLargest) return false;
  text.remove_prefix(size_t(end - text.data()));
  return true;
}

bool parse_item(std::string_view text, Item& item) {
  if (!take_number(text, item.first)) return false;
  item.last = item.first;
  if (text.empty()) return true;
  if (text.front() != '-') return false;
  text.remove_prefix(1);
  if (!take_number(text, item.last) || item.last < item.first) return false;
  if (text.empty()) return true;
  item.kind = text.front();
  text.remove_prefix(1);
  if (!take_number(text, item.step) || !text.empty()) return false;
  if (item.kind == '*') return item.step >= 2 && item.first >= 1;
  return item.kind == '+' && item.step >= 1;
}

}  // namespace

Result<std::vector<int64_t>> parse_numbers(const std::string& option, const std::string& text) {
  std::vector<int64_t> numbers;
  std::string_view rest = text;
  for (bool more = true; more;) {
    const size_t comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    more = comma != std::string_view::npos;
    if (more) rest.remove_prefix(comma + 1);
    Item item;
    bool good = parse_item(part, item);
    for (int64_t n = item.first; good && n <= item.last;
         n = item.kind == '*' ? n * item.step : n + item.step) {
      numbers.push_back(n);
      good = numbers.size() <= kMostItems;
    }
    if (good) continue;
    return make_error(ErrorCode::kInvalidArgument, option,
                      "expected numbers like 512, 0,2048 or ranges like 1-16*2 and 0-8192+1024; "
                      "found '" +
                          std::string(part) + "'");
  }
  return numbers;
}

}  // namespace lowkey::apps
