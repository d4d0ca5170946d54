#include "models/tokenizer/byte_map.h"

#include <array>

#include "models/tokenizer/utf8.h"

namespace lowkey::models {
namespace {

struct ByteMap {
  std::array<std::string, 256> text;   // by byte
  std::array<int16_t, 0x144> byte_of;  // by code point, -1 where there is none

  ByteMap() {
    byte_of.fill(-1);
    uint32_t next = 0x100;  // bytes that do not print move up here, in order
    for (int byte = 0; byte < 256; ++byte) {
      const bool prints = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      const uint32_t code = prints ? uint32_t(byte) : next++;
      byte_of[code] = int16_t(byte);
      append_utf8(code, text[size_t(byte)]);
    }
  }
};

const ByteMap& byte_map() {
  static const ByteMap map;
  return map;
}

}  // namespace

std::optional<std::string> bytes_of_byte_level(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Utf8Char c = next_utf8(text);
    if (!c.valid || c.code >= byte_map().byte_of.size()) return std::nullopt;
    const int byte = byte_map().byte_of[c.code];
    if (byte < 0) return std::nullopt;
    out += char(byte);
    text.remove_prefix(size_t(c.n_bytes));
  }
  return out;
}

const std::string& byte_level_of(uint8_t byte) { return byte_map().text[byte]; }

}  // namespace lowkey::models
