// Stands here and not in amx/ so that no instruction of the tile unit can slip in.
#include "simd/amx/bf16_emulated.h"
#include "simd/amx/latent_tiles.h"
#include "simd/amx/ops.h"
#include "simd/amx/project_tiles.h"
#include "simd/amx/tile_dispatch.h"
#include "simd/amx/tile_emulated.h"

namespace lowkey::simd::amx {

void matmul_quantized_emulated(const PanelMatrix& w, Range panels, const Activations& a,
                               const MatmulOut& out) {
  matmul_on_tiles<EmulatedTiles>(w, panels, a, out);
}

void matmul_bf16_emulated(const PanelMatrix& w, Range panels, MatrixView<const uint16_t> x,
                          const MatmulOut& out) {
  matmul_bf16_on_tiles<EmulatedBf16Tiles>(w, panels, x, out);
}

void latent_project_emulated(const LatentEncoder& e, MatrixView<const float> x,
                             MatrixView<float> z) {
  project_on_tiles<EmulatedBf16Tiles>(e, x, z);
}

void latent_attend_emulated(const LatentRuns& tiles, const QueryBlock& queries,
                            const AttendState& state) {
  wide::latent_attend<TileLatentOps<EmulatedTiles>>(tiles, queries, state);
}

}  // namespace lowkey::simd::amx
