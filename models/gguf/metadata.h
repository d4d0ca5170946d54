// The key-value part of a GGUF file: values stay in the mapping and are decoded when asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cursor.h"
#include "base/result.h"

namespace lowkey::models::gguf {

/// Numbers as the format gives them.
enum class ValueType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};

/// "u8", "string", ...; "?" for a number the format does not know.
std::string_view value_type_name(ValueType type);

struct Value {
  ValueType type = ValueType::kU8;
  ValueType element = ValueType::kU8;  // of an array; else equal to type
  uint64_t n = 1;                      // elements of an array
  // Little-endian payload: a string's characters, an array's elements one after the other
  // (strings with their 8-byte lengths, already proven to lie inside).
  std::span<const std::byte> bytes;
};

/// Typed getters: kNotFound if the key is absent, kInvalidData if it has another type. The
/// `_or` forms return `fallback` for an absent key and still refuse a wrong type.
/// Views point into the bytes that were parsed.
class Metadata {
 public:
  Metadata() = default;
  explicit Metadata(std::string where) : where_(std::move(where)) {}

  /// Reads `n` pairs; counts and lengths are proven against what is left before use.
  Status read(Cursor& in, uint64_t n);

  const Value* find(std::string_view key) const;
  const std::map<std::string_view, Value>& values() const { return values_; }
  const std::string& where() const { return where_; }  // the file's path

  Result<int64_t> get_i64(std::string_view key) const;  // any integer type whose value fits
  Result<uint64_t> get_u64(std::string_view key) const;
  Result<double> get_f64(std::string_view key) const;  // f32 or f64
  Result<float> get_f32(std::string_view key) const;
  Result<bool> get_bool(std::string_view key) const;
  Result<std::string_view> get_string(std::string_view key) const;
  Result<std::vector<std::string_view>> get_strings(std::string_view key) const;
  Result<std::vector<float>> get_floats(std::string_view key) const;
  Result<std::vector<int32_t>> get_ints(std::string_view key) const;  // any integers that fit

  Result<int64_t> get_i64_or(std::string_view key, int64_t fallback) const;
  Result<double> get_f64_or(std::string_view key, double fallback) const;
  Result<bool> get_bool_or(std::string_view key, bool fallback) const;
  Result<std::string_view> get_string_or(std::string_view key, std::string_view fallback) const;

 private:
  Status read_pair(Cursor& in);
  Result<const Value*> need(std::string_view key) const;
  Error wrong_type(std::string_view key, const char* expected, const Value& found) const;

  std::string where_;
  std::map<std::string_view, Value> values_;
};

}  // namespace lowkey::models::gguf
