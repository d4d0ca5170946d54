#include "base/cpu_list.h"

#include <algorithm>
#include <charconv>

namespace lowkey {

namespace {

constexpr int kMostCpus = 1 << 16;

Error refuse(std::string_view text, const char* expected) {
  return make_error(ErrorCode::kInvalidArgument, "CPUs",
                    std::string("expected ") + expected + ", found '" + std::string(text) + "'");
}

/// A number that fills all of `text`, or -1.
int number_of(std::string_view text) {
  int number = -1;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && at == end && number < kMostCpus ? number : -1;
}

}  // namespace

Result<std::vector<int>> parse_cpu_mask(std::string_view text) {
  constexpr const char* kExpected = "a hexadecimal mask such as 0x3 with at least one bit set";
  std::string_view digits = text;
  if (digits.starts_with("0x") || digits.starts_with("0X")) digits.remove_prefix(2);
  if (digits.empty() || digits.size() > kMostCpus / 4) return refuse(text, kExpected);
  std::vector<int> cpus;
  for (size_t i = 0; i < digits.size(); ++i) {
    int digit = 0;
    const char* at = digits.data() + digits.size() - 1 - i;
    const auto [end, error] = std::from_chars(at, at + 1, digit, 16);
    if (error != std::errc() || end != at + 1 || digit < 0) return refuse(text, kExpected);
    for (int bit = 0; bit < 4; ++bit) {
      if (digit >> bit & 1) cpus.push_back(int(i) * 4 + bit);
    }
  }
  if (cpus.empty()) return refuse(text, kExpected);
  return cpus;
}

Result<std::vector<int>> parse_cpu_list(std::string_view text) {
  constexpr const char* kExpected = "CPU numbers and ranges such as 0-3,8";
  std::vector<int> cpus;
  for (size_t at = 0; at < text.size();) {
    const std::string_view part = text.substr(at, text.find(',', at) - at);
    at += part.size() + 1;
    const size_t dash = part.find('-');
    const int first = number_of(part.substr(0, dash));
    const int last = dash == std::string_view::npos ? first : number_of(part.substr(dash + 1));
    if (first < 0 || last < first || at == text.size()) return refuse(text, kExpected);
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

std::string cpu_list_text(const std::vector<int>& cpus) {
  std::string text;
  for (size_t i = 0; i < cpus.size();) {
    size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    text += (text.empty() ? "" : ",") + std::to_string(cpus[i]);
    if (last > i) text += "-" + std::to_string(cpus[last]);
    i = last + 1;
  }
  return text;
}

}  // namespace lowkey
