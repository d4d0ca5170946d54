// What turns plain text (no special tokens in it) into token ids.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lowkey::models {

class SubwordModel {
 public:
  virtual ~SubwordModel() = default;
  /// Appends the ids of `text`, any bytes. `at_start`: nothing or a special token stands before,
  /// where SentencePiece puts its extra space.
  virtual Status append(std::string_view text, bool at_start, std::vector<int32_t>& ids) const = 0;
};

}  // namespace lowkey::models
