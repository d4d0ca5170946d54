#include "simd/avx2/latent_ops.h"
#include "simd/avx2/ops.h"
#include "simd/wide/latent_project-inl.h"

namespace lowkey::simd::avx2 {

void latent_project(const LatentEncoder& e, MatrixView<const float> x, MatrixView<float> z) {
  wide::latent_project<LatentOps>(e, x, z);
}

}  // namespace lowkey::simd::avx2
