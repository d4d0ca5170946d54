#include "simd/amx/bf16_hw.h"
#include "simd/amx/ops.h"
#include "simd/amx/project_tiles.h"

namespace lowkey::simd::amx {

void latent_project(const LatentEncoder& e, MatrixView<const float> x, MatrixView<float> z) {
  project_on_tiles<HardwareBf16Tiles>(e, x, z);
}

}  // namespace lowkey::simd::amx
