#include "simd/neon/latent_ops.h"
#include "simd/neon/ops.h"
#include "simd/wide/latent_project-inl.h"

namespace lowkey::simd::neon {

void latent_project(const LatentEncoder& e, MatrixView<const float> x, MatrixView<float> z) {
  wide::latent_project<LatentOps>(e, x, z);
}

}  // namespace lowkey::simd::neon
