#include "models/basis/layout.h"

#include <cstring>
#include <span>

#include "base/sha256.h"

namespace lowkey::models::basis {

std::optional<size_t> find_hash(std::string_view bytes) {
  uint64_t n_header = 0;
  if (bytes.size() < sizeof n_header) return std::nullopt;
  std::memcpy(&n_header, bytes.data(), sizeof n_header);
  if (n_header > bytes.size() - sizeof n_header) return std::nullopt;
  const std::string_view header = bytes.substr(0, sizeof n_header + n_header);
  const std::string key = "\"" + std::string(kHashKey) + "\":\"";
  const size_t at = header.find(key);
  if (at == header.npos || header.find(key, at + 1) != header.npos) return std::nullopt;
  const size_t first = at + key.size();
  if (first + kHashDigits > header.size()) return std::nullopt;
  return first;
}

std::string hash_of_file(std::string_view bytes, size_t at) {
  const auto part = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  Sha256 sha;
  sha.update(part(bytes.substr(0, at)));
  sha.update(part(std::string(kHashDigits, '0')));
  sha.update(part(bytes.substr(at + kHashDigits)));
  return to_hex(sha.finish());
}

}  // namespace lowkey::models::basis
