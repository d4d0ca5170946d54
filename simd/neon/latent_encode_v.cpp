#include "simd/neon/latent_ops.h"
#include "simd/neon/ops.h"
#include "simd/wide/latent_encode-inl.h"

namespace lowkey::simd::neon {

void latent_encode_v(const LatentPlan& plan, MatrixView<const float> z, int first,
                     std::byte* part) {
  wide::latent_encode<LatentOps, LatentSide::kV>(plan, z, first, part);
}

}  // namespace lowkey::simd::neon
