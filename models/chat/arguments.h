// Arguments of a call, by position or by name.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/chat/value.h"

namespace lowkey::models::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  /// Argument `name`, which may also stand at `position`; undefined if it was not given.
  const Value& get(size_t position, std::string_view name) const {
    static const Value missing;
    for (const auto& [key, value] : named) {
      if (key == name) return value;
    }
    return position < positional.size() ? positional[position] : missing;
  }
  const std::string* string(size_t position, std::string_view name = "") const {
    return get(position, name).string();
  }
};

}  // namespace lowkey::models::jinja
