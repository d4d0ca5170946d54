// Element types by name and the bytes of a shape: what reader and writer share.
#pragma once

#include <optional>

#include "models/safetensors/file.h"

namespace lowkey::models::safetensors {

std::optional<ElementType> element_named(std::string_view name);

/// Bytes of a tensor, or nothing if a dimension is negative or the product is beyond 2^53.
std::optional<int64_t> shape_bytes(ElementType type, const std::vector<int64_t>& shape);

}  // namespace lowkey::models::safetensors
