// Memory asked for before it is read, so that the waits for its lines overlap.
#pragma once

#include <cstddef>
#include <span>

namespace lowkey {

/// Asks for every line of `bytes` at once. A hint: changes nothing but times.
inline void ask_for(std::span<const std::byte> bytes) {
  constexpr size_t kLine = 64;
  for (size_t at = 0; at < bytes.size(); at += kLine) __builtin_prefetch(bytes.data() + at);
}

}  // namespace lowkey
