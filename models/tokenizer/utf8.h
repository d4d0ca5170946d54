// UTF-8 one character at a time, without trusting the bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lowkey::models {

inline constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD

struct Utf8Char {
  uint32_t code = 0;  // meaningful if valid
  int n_bytes = 1;    // valid: of the character; else of the broken prefix to skip
  bool valid = false;
  bool truncated = false;  // not valid yet, but more bytes could make it so
};

/// The character at the start of `text`, which must not be empty. Overlong forms, surrogates
/// and codes above U+10FFFF are invalid (Unicode 15, table 3-7).
Utf8Char next_utf8(std::string_view text);

/// Length of the longest valid prefix, in bytes.
size_t valid_utf8_prefix(std::string_view text);

void append_utf8(uint32_t code, std::string& out);

}  // namespace lowkey::models
