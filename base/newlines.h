// Line ends as text-mode readers give them.
#pragma once

#include <string>
#include <string_view>

namespace lowkey {

/// "\r\n" and lone "\r" become "\n", as when Python opens a file as text. Evaluation texts saved
/// with Windows line ends give other tokens without this.
inline std::string with_unix_newlines(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out += text[i];
    } else if (i + 1 == text.size() || text[i + 1] != '\n') {
      out += '\n';
    }
  }
  return out;
}

}  // namespace lowkey
