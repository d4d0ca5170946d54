// JSON from files that nobody vouches for: no exceptions, bounded depth, no key twice.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lowkey::models {

/// The object that `text` holds. kInvalidData, beginning with `where`, if it is no JSON, no
/// object, nested deeper than 64 or has one key twice in the same object.
Result<nlohmann::json> parse_json_object(std::string_view text, const std::string& where);

/// The same for a whole file of at most `limit` bytes.
Result<nlohmann::json> read_json_object(const std::string& path, size_t limit);

}  // namespace lowkey::models
