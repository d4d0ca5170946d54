// One block of 32 weights of any quantised file type, taken apart: codes, scales, minimum.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"
#include "simd/panel.h"

namespace lowkey::engine {

/// w[c] = scale[c / 16] * (code[c] - format.offset) + minimum.
struct BlockCodes {
  uint8_t code[32];
  float scale[2];  // of the columns 0..15 and 16..31; equal unless the type has finer scales
  float minimum;
};

/// How panels hold a file type (float types included).
simd::PanelFormat panel_format(DType type);

/// Block `i` (columns 32 i ..) of a row of a quantised type that starts at `row`.
BlockCodes read_block(DType type, const std::byte* row, int64_t i);

}  // namespace lowkey::engine
