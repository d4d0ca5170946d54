// Escapes in template strings, as Python reads them.
#pragma once

#include <string>
#include <string_view>

namespace lowkey::models::jinja {

/// The inside of a literal: "\n" -> newline, "\x41" and "\u00e9" -> characters, an unknown
/// escape stays as it is written.
std::string unescape_literal(std::string_view inside);

}  // namespace lowkey::models::jinja
