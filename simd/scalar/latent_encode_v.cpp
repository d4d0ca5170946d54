#include "simd/scalar/latent_encode.h"
#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {

void latent_encode_v(const LatentPlan& plan, MatrixView<const float> z, int first,
                     std::byte* part) {
  const auto place = [](int c, int t) { return kTileTokens * c + t; };
  for (int64_t n = 0; n < z.rows; ++n) {
    latent_encode_token(plan, z.row(n), first + int(n), place, part);
  }
}

}  // namespace lowkey::simd::scalar
