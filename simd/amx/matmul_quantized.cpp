#include "simd/amx/ops.h"
#include "simd/amx/tile_dispatch.h"
#include "simd/amx/tile_hw.h"

namespace lowkey::simd::amx {

void matmul_quantized(const PanelMatrix& w, Range panels, const Activations& a,
                      const MatmulOut& out) {
  matmul_on_tiles<HardwareTiles>(w, panels, a, out);
}

}  // namespace lowkey::simd::amx
