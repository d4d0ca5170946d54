// The format's numbers for tensor types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/dtype.h"

namespace lowkey::models::gguf {

/// The element type of a tensor type number; empty where this build cannot read it.
std::optional<DType> dtype_of(uint32_t type);
/// The number that the format gives to an element type.
uint32_t type_of(DType dtype);
/// "Q2_K"; "type 77" for a number the format does not know.
std::string type_name(uint32_t type);
/// "F32, F16, ...": for errors.
std::string supported_types();

}  // namespace lowkey::models::gguf
