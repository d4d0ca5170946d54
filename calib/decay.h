// How fast a side's error falls with its bits, as measured: Gaussian coordinates and linear layers
// would follow the widths' distortions, real ones do not quite.
#pragma once

#include <cstddef>
#include <vector>

#include "calib/allocate/widths.h"
#include "models/basis/basis.h"

namespace lowkey::calib {

/// Index of the level whose bits are nearest to those that sensitivities are probed at.
size_t probed_level(const models::ErrorProfile& profile, bool rank_only);

/// Error of a layer's output with one side alone at `level`, the other as good as exact.
double output_error_alone(const models::ErrorProfile& profile, size_t layer, bool keys,
                          size_t level);

/// Factors on a side's expected error, by its bits per element: 1 where sensitivities were probed,
/// elsewhere measured over expected error of the layer's output. All 1 without error surfaces.
class ErrorDecay {
 public:
  ErrorDecay(const models::BasisFile& file, const WidthRules& rules);

  double at(size_t layer, bool keys, double bits) const;

 private:
  std::vector<double> levels_;
  std::vector<double> logs_;  // [layers][keys, values][levels]
};

/// Bits per element of a side's present widths.
double side_bits(const models::SideBasis& side, const WidthRules& rules);

}  // namespace lowkey::calib
