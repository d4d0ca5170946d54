// Reading of JSON that nobody vouches for: absent or ill-typed fields become values or errors,
// never exceptions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace lowkey::models {

using Json = nlohmann::json;

/// Member `key` of an object; a shared null for anything else.
inline const Json& field(const Json& object, const char* key) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto it = object.find(key);
  return it == object.end() ? null : *it;
}

inline bool bool_field(const Json& object, const char* key, bool fallback) {
  const Json& value = field(object, key);
  return value.is_boolean() ? value.get<bool>() : fallback;
}

/// Empty if absent or no string.
inline std::string string_field(const Json& object, const char* key) {
  const Json& value = field(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

inline Result<Json> parse_json(const std::string& text, const std::string& where) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    return make_error(ErrorCode::kInvalidData, where, "expected JSON, found something else");
  }
  return json;
}

}  // namespace lowkey::models
