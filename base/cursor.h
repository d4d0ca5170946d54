// Bounds-checked reader over bytes that nobody vouches for: proves a count fits before using it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace lowkey {

class Cursor {
 public:
  /// `name` (a path, usually) begins every error's `where`.
  Cursor(std::span<const std::byte> bytes, std::string name)
      : bytes_(bytes), name_(std::move(name)) {}

  uint64_t position() const { return position_; }
  uint64_t remaining() const { return bytes_.size() - position_; }

  template <class T>
  requires std::is_trivially_copyable_v<T> Result<T> read(const char* what) {
    if (remaining() < sizeof(T)) return truncated(what, sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  Result<std::span<const std::byte>> take(uint64_t n, const char* what) {
    if (remaining() < n) return truncated(what, n);
    auto out = bytes_.subspan(position_, n);
    position_ += n;
    return out;
  }

  Error error(std::string what) const {
    return make_error(ErrorCode::kInvalidData, name_ + " at byte " + std::to_string(position_),
                      std::move(what));
  }

 private:
  Error truncated(const char* what, uint64_t n) const {
    return error(std::string("file ends inside ") + what + ": expected " + std::to_string(n) +
                 " more bytes, found " + std::to_string(remaining()));
  }

  std::span<const std::byte> bytes_;
  std::string name_;
  uint64_t position_ = 0;
};

}  // namespace lowkey
