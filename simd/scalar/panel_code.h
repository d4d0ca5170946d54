// One weight of a panel, straight from the definition in simd/panel.h.
#pragma once

#include "simd/panel.h"

namespace lowkey::simd::scalar {

/// Weight (row, col) of `w`; the padding rows of the last panel may be asked for too.
double weight_at(const PanelMatrix& w, int64_t row, int64_t col);

}  // namespace lowkey::simd::scalar
