// What a basis file (.lkb) holds.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace lowkey::apps {

/// Method, space and budget of a basis file; with_layers: also bits and rank of every layer.
Result<nlohmann::json> describe_basis(const std::string& path, bool with_layers);

}  // namespace lowkey::apps
