// Template text to a tree.
#pragma once

#include <string_view>

#include "base/result.h"
#include "models/chat/ast.h"

namespace lowkey::models::jinja {

/// kInvalidData with the line for what is no template or nested beyond the limits (1 MiB of
/// text, 64 blocks, trees 200 high); kUnsupported for statements outside the subset.
Result<Block> parse(std::string_view source);

}  // namespace lowkey::models::jinja
