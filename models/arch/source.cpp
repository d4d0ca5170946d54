#include "models/arch/source.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace lowkey::models::arch {
namespace {

using nlohmann::json;

template <class To, class From>
Result<std::optional<To>> optional_of(Result<From> got) {
  if (!got.ok()) return got.error();
  return std::optional<To>(To(got.value()));
}

}  // namespace

Result<int> Source::count(std::string_view key, int64_t limit, int64_t fallback) const {
  LK_ASSIGN(const auto found, integer(key));
  if (!found && fallback == 0) {
    return make_error(ErrorCode::kInvalidData, where(),
                      "expected the key '" + std::string(key) + "', found none");
  }
  const int64_t value = found.value_or(fallback);
  if (value >= 1 && value <= limit) return int(value);
  return make_error(ErrorCode::kInvalidData, where(),
                    "'" + std::string(key) + "': expected a number from 1 to " +
                        std::to_string(limit) + ", found " + std::to_string(value));
}

Result<float> Source::positive(std::string_view key, double fallback) const {
  LK_ASSIGN(const auto found, number(key));
  if (!found && fallback == 0) {
    return make_error(ErrorCode::kInvalidData, where(),
                      "expected the key '" + std::string(key) + "', found none");
  }
  const double value = found.value_or(fallback);
  if (value >= std::numeric_limits<float>::min() && value <= std::numeric_limits<float>::max()) {
    return float(value);
  }
  return make_error(ErrorCode::kInvalidData, where(),
                    "'" + std::string(key) + "': expected a finite positive number, found " +
                        std::to_string(value));
}

Result<std::optional<int64_t>> GgufSource::integer(std::string_view key) const {
  const std::string full = prefix_ + std::string(key);
  if (!metadata_.find(full)) return std::optional<int64_t>();
  return optional_of<int64_t>(metadata_.get_i64(full));
}

Result<std::optional<double>> GgufSource::number(std::string_view key) const {
  const std::string full = prefix_ + std::string(key);
  if (!metadata_.find(full)) return std::optional<double>();
  return optional_of<double>(metadata_.get_f64(full));
}

Result<std::optional<bool>> GgufSource::flag(std::string_view key) const {
  const std::string full = prefix_ + std::string(key);
  if (!metadata_.find(full)) return std::optional<bool>();
  return optional_of<bool>(metadata_.get_bool(full));
}

Result<std::optional<std::string>> GgufSource::text(std::string_view key) const {
  const std::string full = prefix_ + std::string(key);
  if (!metadata_.find(full)) return std::optional<std::string>();
  return optional_of<std::string>(metadata_.get_string(full));
}

const json* JsonSource::member(std::string_view key) const {
  const auto it = object_.find(std::string(key));
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

Error JsonSource::wrong_type(std::string_view key, const char* expected) const {
  return make_error(ErrorCode::kInvalidData, where_,
                    "'" + std::string(key) + "': expected " + expected + ", found a JSON " +
                        member(key)->type_name());
}

Result<std::optional<int64_t>> JsonSource::integer(std::string_view key) const {
  const json* value = member(key);
  if (!value) return std::optional<int64_t>();
  if (value->is_number_unsigned() &&
      value->get<uint64_t>() > uint64_t(std::numeric_limits<int64_t>::max())) {
    return wrong_type(key, "an integer below 2^63");
  }
  if (!value->is_number_integer()) return wrong_type(key, "an integer");
  return std::optional<int64_t>(value->get<int64_t>());
}

Result<std::optional<double>> JsonSource::number(std::string_view key) const {
  const json* value = member(key);
  if (!value) return std::optional<double>();
  if (!value->is_number()) return wrong_type(key, "a number");
  return std::optional<double>(value->get<double>());
}

Result<std::optional<bool>> JsonSource::flag(std::string_view key) const {
  const json* value = member(key);
  if (!value) return std::optional<bool>();
  if (!value->is_boolean()) return wrong_type(key, "true or false");
  return std::optional<bool>(value->get<bool>());
}

Result<std::optional<std::string>> JsonSource::text(std::string_view key) const {
  const json* value = member(key);
  if (!value) return std::optional<std::string>();
  if (!value->is_string()) return wrong_type(key, "a string");
  return std::optional<std::string>(value->get<std::string>());
}

}  // namespace lowkey::models::arch
