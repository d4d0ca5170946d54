// GPT-2's writing of bytes as printable characters, in which byte-level vocabularies are stored.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lowkey::models {

/// "Ġthe" -> " the". Empty if a character stands for no byte (then it is no byte-level text).
std::optional<std::string> bytes_of_byte_level(std::string_view text);

/// The printable form of one byte, in UTF-8.
const std::string& byte_level_of(uint8_t byte);

}  // namespace lowkey::models
