#include "models/gguf/metadata.h"

#include <cstring>
#include <limits>
#include <optional>
#include <utility>

namespace lowkey::models::gguf {
namespace {

constexpr std::string_view kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                       "bool", "string", "array", "u64", "i64", "f64"};
constexpr uint64_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
constexpr uint64_t kMinPairBytes = 8 + 4 + 1;  // key length, type, the smallest value
constexpr uint64_t kMaxKeyBytes = 65535;       // the format's own limit

bool known(ValueType type) { return uint32_t(type) < std::size(kNames); }

std::string_view text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

/// The integer at `p`, or nothing if the type is no integer or the value passes int64.
std::optional<int64_t> load_integer(ValueType type, const std::byte* p) {
  switch (type) {
    case ValueType::kU8:
      return load<uint8_t>(p);
    case ValueType::kI8:
      return load<int8_t>(p);
    case ValueType::kU16:
      return load<uint16_t>(p);
    case ValueType::kI16:
      return load<int16_t>(p);
    case ValueType::kU32:
      return load<uint32_t>(p);
    case ValueType::kI32:
      return load<int32_t>(p);
    case ValueType::kI64:
      return load<int64_t>(p);
    case ValueType::kU64: {
      const auto value = load<uint64_t>(p);
      if (value > uint64_t(std::numeric_limits<int64_t>::max())) return {};
      return int64_t(value);
    }
    default:
      return {};
  }
}

Result<std::span<const std::byte>> read_string(Cursor& in, const char* what) {
  LK_ASSIGN(const auto n, in.read<uint64_t>(what));
  return in.take(n, what);
}

/// The bytes of `n` length-prefixed strings, each proven to lie inside.
Result<std::span<const std::byte>> read_strings(Cursor& in, uint64_t n) {
  Cursor ahead = in;
  for (uint64_t i = 0; i < n; ++i) LK_RETURN_IF_ERROR(read_string(ahead, "an array of strings"));
  return in.take(ahead.position() - in.position(), "an array of strings");
}

Result<Value> read_array(Cursor& in) {
  Value value{ValueType::kArray, ValueType::kU8, 0, {}};
  LK_ASSIGN(value.element, in.read<ValueType>("an array's element type"));
  if (!known(value.element)) {
    return in.error("expected an array element type below 13, found " +
                    std::to_string(uint32_t(value.element)));
  }
  if (value.element == ValueType::kArray) {
    return in.error("expected an array of plain values, found an array of arrays");
  }
  LK_ASSIGN(value.n, in.read<uint64_t>("an array's length"));
  const bool strings = value.element == ValueType::kString;
  const uint64_t least = strings ? 8 : kSizes[uint32_t(value.element)];
  if (value.n > in.remaining() / least) {
    return in.error("expected an array of at most " + std::to_string(in.remaining() / least) +
                    " elements (what is left of the file), found " + std::to_string(value.n));
  }
  LK_ASSIGN(value.bytes,
            strings ? read_strings(in, value.n) : in.take(value.n * least, "an array"));
  return value;
}

Result<Value> read_value(Cursor& in) {
  LK_ASSIGN(const auto type, in.read<ValueType>("a value's type"));
  if (!known(type)) {
    return in.error("expected a value type below 13, found " + std::to_string(uint32_t(type)));
  }
  if (type == ValueType::kArray) return read_array(in);
  Value value{type, type, 1, {}};
  const bool string = type == ValueType::kString;
  LK_ASSIGN(value.bytes, string ? read_string(in, "a string value")
                                : in.take(kSizes[uint32_t(type)], "a value"));
  if (type == ValueType::kBool && uint8_t(value.bytes[0]) > 1) {
    return in.error("expected a bool of 0 or 1, found " + std::to_string(uint8_t(value.bytes[0])));
  }
  return value;
}

template <class T>
Result<T> or_fallback(const Metadata& metadata, std::string_view key, T fallback, Result<T> got) {
  return metadata.find(key) ? std::move(got) : Result<T>(fallback);
}

}  // namespace

std::string_view value_type_name(ValueType type) {
  return known(type) ? kNames[uint32_t(type)] : "?";
}

Status Metadata::read(Cursor& in, uint64_t n) {
  if (n > in.remaining() / kMinPairBytes) {
    return in.error("expected at most " + std::to_string(in.remaining() / kMinPairBytes) +
                    " metadata pairs (what is left of the file), found " + std::to_string(n));
  }
  for (uint64_t i = 0; i < n; ++i) LK_RETURN_IF_ERROR(read_pair(in));
  return {};
}

Status Metadata::read_pair(Cursor& in) {
  LK_ASSIGN(const auto key_bytes, read_string(in, "a metadata key"));
  const std::string_view key = text(key_bytes);
  if (key.empty() || key.size() > kMaxKeyBytes) {
    return in.error("expected a metadata key of 1 to 65535 bytes, found " +
                    std::to_string(key.size()));
  }
  LK_ASSIGN(const Value value, read_value(in));
  if (!values_.emplace(key, value).second) {
    return in.error("metadata key '" + std::string(key) + "' appears twice");
  }
  return {};
}

const Value* Metadata::find(std::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

Result<const Value*> Metadata::need(std::string_view key) const {
  if (const Value* value = find(key)) return value;
  return make_error(ErrorCode::kNotFound, where_, "no metadata key '" + std::string(key) + "'");
}

Error Metadata::wrong_type(std::string_view key, const char* expected, const Value& found) const {
  std::string kind(value_type_name(found.type));
  if (found.type == ValueType::kArray) kind += " of " + std::string(value_type_name(found.element));
  return make_error(
      ErrorCode::kInvalidData, where_,
      "metadata key '" + std::string(key) + "': expected " + expected + ", found " + kind);
}

Result<int64_t> Metadata::get_i64(std::string_view key) const {
  LK_ASSIGN(const Value* value, need(key));
  const auto integer = load_integer(value->type, value->bytes.data());
  if (!integer) return wrong_type(key, "an integer below 2^63", *value);
  return *integer;
}

Result<uint64_t> Metadata::get_u64(std::string_view key) const {
  LK_ASSIGN(const Value* value, need(key));
  if (value->type == ValueType::kU64) return load<uint64_t>(value->bytes.data());
  const auto integer = load_integer(value->type, value->bytes.data());
  if (!integer || *integer < 0) return wrong_type(key, "an unsigned integer", *value);
  return uint64_t(*integer);
}

Result<double> Metadata::get_f64(std::string_view key) const {
  LK_ASSIGN(const Value* value, need(key));
  if (value->type == ValueType::kF32) return double{load<float>(value->bytes.data())};
  if (value->type == ValueType::kF64) return load<double>(value->bytes.data());
  return wrong_type(key, "a floating-point number", *value);
}

Result<float> Metadata::get_f32(std::string_view key) const {
  LK_ASSIGN(const double value, get_f64(key));
  return float(value);
}

Result<bool> Metadata::get_bool(std::string_view key) const {
  LK_ASSIGN(const Value* value, need(key));
  if (value->type != ValueType::kBool) return wrong_type(key, "a bool", *value);
  return value->bytes[0] != std::byte{0};
}

Result<std::string_view> Metadata::get_string(std::string_view key) const {
  LK_ASSIGN(const Value* value, need(key));
  if (value->type != ValueType::kString) return wrong_type(key, "a string", *value);
  return text(value->bytes);
}

Result<std::vector<std::string_view>> Metadata::get_strings(std::string_view key) const {
  LK_ASSIGN(const Value* value, need(key));
  if (value->type != ValueType::kArray || value->element != ValueType::kString) {
    return wrong_type(key, "an array of strings", *value);
  }
  std::vector<std::string_view> out;
  out.reserve(value->n);
  Cursor in(value->bytes, where_);
  for (uint64_t i = 0; i < value->n; ++i) {
    LK_ASSIGN(const auto bytes, read_string(in, "an array of strings"));
    out.push_back(text(bytes));
  }
  return out;
}

Result<std::vector<float>> Metadata::get_floats(std::string_view key) const {
  LK_ASSIGN(const Value* value, need(key));
  if (value->type != ValueType::kArray || value->element != ValueType::kF32) {
    return wrong_type(key, "an array of f32", *value);
  }
  std::vector<float> out(value->n);
  if (!out.empty()) std::memcpy(out.data(), value->bytes.data(), value->bytes.size());
  return out;
}

Result<std::vector<int32_t>> Metadata::get_ints(std::string_view key) const {
  LK_ASSIGN(const Value* value, need(key));
  if (value->type != ValueType::kArray) return wrong_type(key, "an array of integers", *value);
  const uint64_t size = kSizes[uint32_t(value->element)];
  std::vector<int32_t> out;
  out.reserve(value->n);
  for (uint64_t i = 0; i < value->n; ++i) {
    const auto integer = load_integer(value->element, value->bytes.data() + i * size);
    if (!integer || !std::in_range<int32_t>(*integer)) {
      return wrong_type(key, "an array of integers that fit 32 bits", *value);
    }
    out.push_back(int32_t(*integer));
  }
  return out;
}

Result<int64_t> Metadata::get_i64_or(std::string_view key, int64_t fallback) const {
  return or_fallback(*this, key, fallback, get_i64(key));
}
Result<double> Metadata::get_f64_or(std::string_view key, double fallback) const {
  return or_fallback(*this, key, fallback, get_f64(key));
}
Result<bool> Metadata::get_bool_or(std::string_view key, bool fallback) const {
  return or_fallback(*this, key, fallback, get_bool(key));
}
Result<std::string_view> Metadata::get_string_or(std::string_view key,
                                                 std::string_view fallback) const {
  return or_fallback(*this, key, fallback, get_string(key));
}

}  // namespace lowkey::models::gguf
