// Reverse water-filling: bits go where they take away most error, over coordinates, heads, sides
// and layers at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace lowkey::calib {

/// What can be stored, and what it costs.
struct WidthRules {
  std::vector<int> widths = {0, 1, 2, 3, 4, 5, 6, 7, 8};  // rising, from 0; 16 stands for bf16
  int group = 4;          // neighbouring coordinates that share a width
  int overhead_bits = 8;  // per token and set of which anything is stored: the gain
};

/// Coordinates of one latent vector, in the order of storage.
/// importance[i]: error, in units common to all sets, if coordinate i is not stored. Falling.
struct CoordinateSet {
  std::vector<double> importance;
};

struct Allocation {
  std::vector<std::vector<uint8_t>> widths;  // per set and coordinate; zeros only at the end
  int64_t bits = 0;                          // per token, overheads included
  double error = 0;                          // sum of importance * distortion(width)
};

/// Widths of least expected error within `budget_bits` per token of all sets together. Never
/// above the budget, and below it by less than one step of one group (or everything is at the
/// largest width). Each group falls along its convex hull, steepest step first; ties go to the
/// earlier set. A budget that holds nothing gives zeros. Errors: rules or importances out of range.
Result<Allocation> allocate_widths(std::span<const CoordinateSet> sets, int64_t budget_bits,
                                   const WidthRules& rules);

/// Bits per token of given widths under the same rules: what allocate_widths counts.
int64_t bits_per_token(std::span<const std::vector<uint8_t>> widths, const WidthRules& rules);

}  // namespace lowkey::calib
