#include "simd/avx512/latent_ops.h"
#include "simd/avx512/ops.h"
#include "simd/wide/latent_encode-inl.h"

namespace lowkey::simd::avx512 {

void latent_encode_k(const LatentPlan& plan, MatrixView<const float> z, int first,
                     std::byte* part) {
  wide::latent_encode<LatentOps, LatentSide::kK>(plan, z, first, part);
}

}  // namespace lowkey::simd::avx512
