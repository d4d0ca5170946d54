// The merge loop that every BPE shares: the best neighbouring pair is joined until none is left.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/function_ref.h"

namespace lowkey::models {

struct Symbol {
  std::string_view text;
  int32_t id = -1;  // -1: not a token
};

struct Merge {
  double priority = 0;  // lower joins earlier; equal ones from the left
  int32_t id = -1;      // of the joined symbol
};

/// Joins `symbols` (neighbouring pieces of one string) in place, O(n log n) for n symbols.
/// Sennrich et al. 2016, algorithm 1, with a heap in place of the scan.
void merge_symbols(std::vector<Symbol>& symbols,
                   FunctionRef<std::optional<Merge>(const Symbol&, const Symbol&)> merge_of);

}  // namespace lowkey::models
