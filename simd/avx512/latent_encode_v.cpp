#include "simd/avx512/latent_ops.h"
#include "simd/avx512/ops.h"
#include "simd/wide/latent_encode-inl.h"

namespace lowkey::simd::avx512 {

void latent_encode_v(const LatentPlan& plan, MatrixView<const float> z, int first,
                     std::byte* part) {
  wide::latent_encode<LatentOps>(plan, z, first, part,
                                 [](int c, int t) { return kTileTokens * c + t; });
}

}  // namespace lowkey::simd::avx512
