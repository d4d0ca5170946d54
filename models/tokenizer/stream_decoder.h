// Tokens to text while they are generated, never half a character.
#pragma once

#include <string>

#include "models/tokenizer/tokenizer.h"

namespace lowkey::models {

class StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer, bool show_special = false)
      : tokenizer_(std::move(tokenizer)), show_special_(show_special) {}

  /// Text that is certain after token `id`: valid UTF-8, possibly empty. A character that is not
  /// complete yet waits; bytes that can never become one turn into U+FFFD.
  std::string push(int32_t id);

  /// What still waits, as U+FFFD; afterwards the decoder is as new.
  std::string finish();

 private:
  Tokenizer tokenizer_;
  bool show_special_;
  std::string pending_;
};

}  // namespace lowkey::models
