#include "simd/amx/bf16_hw.h"
#include "simd/amx/ops.h"
#include "simd/amx/tile_dispatch.h"

namespace lowkey::simd::amx {

void matmul_bf16(const PanelMatrix& w, Range panels, MatrixView<const uint16_t> x,
                 const MatmulOut& out) {
  matmul_bf16_on_tiles<HardwareBf16Tiles>(w, panels, x, out);
}

}  // namespace lowkey::simd::amx
