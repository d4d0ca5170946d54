// The one door to PCRE2: Unicode patterns over valid UTF-8, with limits on time and memory.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/function_ref.h"
#include "base/result.h"

namespace lowkey::models {

/// Working memory of matching: one per thread, reused by every call.
class RegexScratch {
 public:
  RegexScratch();
  RegexScratch(RegexScratch&&) noexcept;
  ~RegexScratch();

 private:
  friend class Regex;
  struct State;
  std::unique_ptr<State> state_;
};

class Regex {
 public:
  /// `\s` and `\S` mean Unicode's White_Space here, as they do in Hugging Face's engine.
  /// kInvalidData with PCRE2's words and the offset if the pattern does not compile.
  static Result<Regex> compile(std::string_view pattern);

  /// Hands out every match of `text` (valid UTF-8), and what lies between matches, in order.
  /// `is_match` tells the two apart; pieces are never empty. kInvalidData past the limits.
  Status split(std::string_view text, RegexScratch& scratch,
               FunctionRef<void(std::string_view piece, bool is_match)> emit) const;

 private:
  struct Code;
  explicit Regex(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  std::shared_ptr<const Code> code_;
};

}  // namespace lowkey::models
