#include "simd/avx2/few_latent_ops.h"
#include "simd/avx2/ops.h"

namespace lowkey::simd::avx2 {

void latent_attend(const LatentRuns& tiles, const QueryBlock& queries, const AttendState& state) {
  wide::latent_attend<FewLatentOps>(tiles, queries, state);
}

}  // namespace lowkey::simd::avx2
