#include "simd/avx512/latent_ops.h"
#include "simd/avx512/ops.h"
#include "simd/wide/latent_project-inl.h"

namespace lowkey::simd::avx512 {

void latent_project(const LatentEncoder& e, MatrixView<const float> x, MatrixView<float> z) {
  wide::latent_project<LatentOps>(e, x, z);
}

}  // namespace lowkey::simd::avx512
