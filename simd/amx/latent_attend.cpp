#include "simd/amx/latent_tiles.h"
#include "simd/amx/ops.h"
#include "simd/amx/tile_hw.h"

namespace lowkey::simd::amx {

void latent_attend(const LatentRuns& tiles, const QueryBlock& queries, const AttendState& state) {
  wide::latent_attend<TileLatentOps<HardwareTiles>>(tiles, queries, state);
}

}  // namespace lowkey::simd::amx
