// What a user may spend on the cache, as he types it.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace lowkey::calib {

/// One of three: bits per cached number, bytes per token, or a whole cache's bytes at a length.
struct Budget {
  double bits_per_element = 0;
  double bytes_per_token = 0;
  double total_bytes = 0;  // exact tokens included
  int64_t n_tokens = 0;
};

/// "2.5b", "96B/token" (also KiB, kB), "4GiB@32k" (B, kB, KiB, MB, MiB, GB, GiB; tokens with k or M
/// as 1024 and 1024^2). kInvalidArgument, with these forms, for anything else.
Result<Budget> parse_budget(std::string_view text);

/// Bits per coded token of a model that caches `n_elements` numbers per token; `n_exact` tokens
/// beside them are kept as 16-bit numbers. kInvalidArgument if that leaves nothing.
Result<int64_t> budget_bits(const Budget& budget, int64_t n_elements, int64_t n_exact);

}  // namespace lowkey::calib
