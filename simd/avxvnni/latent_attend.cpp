#include "simd/avx2/few_latent_ops.h"
#include "simd/avxvnni/ops.h"

namespace lowkey::simd::avxvnni {

void latent_attend(const LatentRuns& tiles, const QueryBlock& queries, const AttendState& state) {
  wide::latent_attend<avx2::FewLatentOps>(tiles, queries, state);
}

}  // namespace lowkey::simd::avxvnni
