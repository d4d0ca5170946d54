// Sets of CPUs as users and the system write them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lowkey {

/// CPU numbers of a hexadecimal mask of any length, "ff" or "0x3": bit i is CPU i. Rising.
Result<std::vector<int>> parse_cpu_mask(std::string_view text);

/// CPU numbers of a list of numbers and ranges, "0-3,8": as options and /sys write it. Rising, each
/// once; empty text is the empty list.
Result<std::vector<int>> parse_cpu_list(std::string_view text);

/// The shortest such list: "0-3,8".
std::string cpu_list_text(const std::vector<int>& cpus);

}  // namespace lowkey
