// llama-bench's lists of numbers: "512", "0,2048,8192", "1-16*2", "0-8192+1024".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace lowkey::apps {

/// Every item is first[-last[*factor|+step]]; a range without a step counts by one. `option` names
/// the place in errors.
Result<std::vector<int64_t>> parse_numbers(const std::string& option, const std::string& text);

}  // namespace lowkey::apps
