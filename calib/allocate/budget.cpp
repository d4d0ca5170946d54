#include "calib/allocate/budget.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

namespace lowkey::calib {

namespace {

constexpr double kMaxBytes = 1e18;  // far beyond any machine, far below what int64 holds in bits

Error refused(std::string_view text) {
  return make_error(ErrorCode::kInvalidArgument, "--budget",
                    "expected bits per number (2.5b), bytes per token (96B/token) or a cache of a "
                    "length (4GiB@32k), found '" +
                        std::string(text) + "'");
}

/// The number that `text` begins with; `text` keeps the rest.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(value) || !(value > 0)) return std::nullopt;
  text.remove_prefix(size_t(end - text.data()));
  return value;
}

std::optional<double> bytes_of_unit(std::string_view unit) {
  constexpr std::array<std::pair<std::string_view, double>, 8> kUnits = {{{"B", 1},
                                                                          {"kB", 1e3},
                                                                          {"KB", 1e3},
                                                                          {"MB", 1e6},
                                                                          {"GB", 1e9},
                                                                          {"KiB", 0x1p10},
                                                                          {"MiB", 0x1p20},
                                                                          {"GiB", 0x1p30}}};
  const auto found = std::ranges::find(kUnits, unit, &std::pair<std::string_view, double>::first);
  return found == kUnits.end() ? std::nullopt : std::optional(found->second);
}

std::optional<double> take_bytes(std::string_view text) {
  const auto number = take_number(text);
  const auto unit = bytes_of_unit(text);
  if (!number || !unit || *number * *unit > kMaxBytes) return std::nullopt;
  return *number * *unit;
}

std::optional<int64_t> tokens_of(std::string_view text) {
  const auto number = take_number(text);
  const double unit = text.empty() ? 1 : text == "k" ? 0x1p10 : text == "M" ? 0x1p20 : 0;
  if (!number || unit == 0 || *number * unit < 1 || *number * unit > 1e12) return std::nullopt;
  return int64_t(*number * unit);
}

}  // namespace

Result<Budget> parse_budget(std::string_view text) {
  Budget out;
  if (const size_t at = text.find('@'); at != text.npos) {
    const auto bytes = take_bytes(text.substr(0, at));
    const auto tokens = tokens_of(text.substr(at + 1));
    if (!bytes || !tokens) return refused(text);
    out.total_bytes = *bytes;
    out.n_tokens = *tokens;
    return out;
  }
  constexpr std::string_view kPerToken = "/token";
  if (text.ends_with(kPerToken)) {
    const auto bytes = take_bytes(text.substr(0, text.size() - kPerToken.size()));
    if (!bytes) return refused(text);
    out.bytes_per_token = *bytes;
    return out;
  }
  std::string_view rest = text;
  const auto bits = take_number(rest);
  if (!bits || rest != "b" || *bits > 16) return refused(text);
  out.bits_per_element = *bits;
  return out;
}

Result<int64_t> budget_bits(const Budget& budget, int64_t n_elements, int64_t n_exact) {
  if (budget.bits_per_element > 0) {
    return int64_t(std::floor(budget.bits_per_element * double(n_elements)));
  }
  if (budget.bytes_per_token > 0) return int64_t(std::floor(8 * budget.bytes_per_token));
  const int64_t exact_bytes = 2 * n_elements * std::min(n_exact, budget.n_tokens);
  const double left = budget.total_bytes - double(exact_bytes);
  const auto bits = int64_t(std::floor(8 * left / double(std::max<int64_t>(budget.n_tokens, 1))));
  if (bits > 0) return bits;
  return make_error(ErrorCode::kInvalidArgument, "--budget",
                    "expected more than the " + std::to_string(exact_bytes) +
                        " bytes of the exact tokens, found " +
                        std::to_string(int64_t(budget.total_bytes)));
}

}  // namespace lowkey::calib
