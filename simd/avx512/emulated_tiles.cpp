// Stands here and not in amx/ so that no instruction of the tile unit can slip in.
#include "simd/amx/ops.h"
#include "simd/amx/tile_dispatch.h"
#include "simd/amx/tile_emulated.h"

namespace lowkey::simd::amx {

void matmul_quantized_emulated(const PanelMatrix& w, Range panels, const Activations& a,
                               const MatmulOut& out) {
  matmul_on_tiles<EmulatedTiles>(w, panels, a, out);
}

}  // namespace lowkey::simd::amx
