// Weights that are asked for before their turn.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lowkey::simd::wide {
namespace {

/// Bytes that a panel is asked for before its use. More than a core can have under way: where it
/// has a path to memory of its own, 4 KB keep it waiting (docs/history.md).
constexpr int64_t kAhead = 24 * 1024;

/// What is read kAhead bytes from now: the same panels, then what comes next.
class ReadAhead {
 public:
  ReadAhead(const std::byte* end, const std::byte* next)
      : end_(std::uintptr_t(end)), beyond_(next ? std::uintptr_t(next) + kAhead - end_ : kAhead) {}

  const std::byte* from(const std::byte* now) const {
    const auto at = std::uintptr_t(now);
    return reinterpret_cast<const std::byte*>(at + (at + kAhead < end_ ? kAhead : beyond_));
  }

 private:
  std::uintptr_t end_, beyond_;
};

}  // namespace
}  // namespace lowkey::simd::wide
