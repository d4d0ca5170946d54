#include "models/chat/string_literal.h"

#include <charconv>

#include "models/tokenizer/utf8.h"

namespace lowkey::models::jinja {
namespace {

constexpr std::string_view kLetters = "abfnrtv\\'\"0";
constexpr std::string_view kMeanings{"\a\b\f\n\r\t\v\\'\"\0", 11};

size_t n_hex_digits(char letter) {
  return letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
}

bool read_code(std::string_view digits, size_t n, uint32_t& code) {
  if (digits.size() < n) return false;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + n, code, 16);
  const bool is_character = code < 0xD800 || (code > 0xDFFF && code <= 0x10FFFF);
  return error == std::errc() && end == digits.data() + n && is_character;
}

}  // namespace

std::string unescape_literal(std::string_view inside) {
  std::string out;
  for (size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] != '\\' || i + 1 == inside.size()) {
      out += inside[i];
      continue;
    }
    const char letter = inside[++i];
    const size_t n = n_hex_digits(letter);
    uint32_t code = 0;
    if (const size_t at = kLetters.find(letter); at != std::string_view::npos) {
      out += kMeanings[at];
    } else if (letter == '\n') {
      continue;  // an escaped line end is no character
    } else if (n > 0 && read_code(inside.substr(i + 1), n, code)) {
      append_utf8(code, out);
      i += n;
    } else {
      out += {'\\', letter};
    }
  }
  return out;
}

}  // namespace lowkey::models::jinja
