#include "models/tokenizer/utf8.h"

#include <algorithm>

namespace lowkey::models {
namespace {

/// Bounds of the second byte, which alone tells overlong forms and surrogates apart.
struct Lead {
  int n_bytes;
  uint8_t low, high;
};

Lead lead_of(uint8_t byte) {
  if (byte < 0xC2 || byte > 0xF4) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte < 0xF0) {
    return {3, uint8_t(byte == 0xE0 ? 0xA0 : 0x80), uint8_t(byte == 0xED ? 0x9F : 0xBF)};
  }
  return {4, uint8_t(byte == 0xF0 ? 0x90 : 0x80), uint8_t(byte == 0xF4 ? 0x8F : 0xBF)};
}

}  // namespace

Utf8Char next_utf8(std::string_view text) {
  const auto first = uint8_t(text[0]);
  if (first < 0x80) return {first, 1, true, false};
  const Lead lead = lead_of(first);
  if (lead.n_bytes == 0) return {};
  const int n_here = int(std::min<size_t>(text.size(), size_t(lead.n_bytes)));
  uint32_t code = first & (0xFF >> (lead.n_bytes + 1));
  for (int i = 1; i < n_here; ++i) {
    const auto byte = uint8_t(text[i]);
    const uint8_t low = i == 1 ? lead.low : 0x80, high = i == 1 ? lead.high : 0xBF;
    if (byte < low || byte > high) return {0, i, false, false};
    code = code << 6 | (byte & 0x3F);
  }
  if (n_here < lead.n_bytes) return {0, n_here, false, true};
  return {code, lead.n_bytes, true, false};
}

size_t valid_utf8_prefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (uint8_t(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Char c = next_utf8(text.substr(at));
    if (!c.valid) break;
    at += size_t(c.n_bytes);
  }
  return at;
}

void append_utf8(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += char(code);
    return;
  }
  const int n_more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  const uint32_t marks[] = {0, 0xC0, 0xE0, 0xF0};
  out += char(marks[n_more] | code >> (6 * n_more));
  for (int i = n_more - 1; i >= 0; --i) out += char(0x80 | ((code >> (6 * i)) & 0x3F));
}

}  // namespace lowkey::models
