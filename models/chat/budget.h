// What an untrusted template may spend. Every step and every byte made is charged.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace lowkey::models::jinja {

class Budget {
 public:
  static constexpr size_t kMaxBytes = size_t{64} << 20;
  static constexpr int64_t kMaxSteps = 2'000'000;

  Status step() {
    if (++n_steps_ <= kMaxSteps) return {};
    return spent("time");
  }
  /// Before making `n` bytes of text, or so many of lists.
  Status charge(size_t n) {
    if (n > kMaxBytes - n_bytes_) return spent("memory");
    n_bytes_ += n;
    return {};
  }
  size_t left() const { return kMaxBytes - n_bytes_; }

 private:
  static Error spent(const char* what) {
    return make_error(ErrorCode::kInvalidData, "chat template",
                      std::string("gave up: the template uses too much ") + what);
  }
  int64_t n_steps_ = 0;
  size_t n_bytes_ = 0;
};

}  // namespace lowkey::models::jinja
