#include "simd/avx2/latent_ops.h"
#include "simd/avx2/ops.h"
#include "simd/wide/latent_attend-inl.h"

namespace lowkey::simd::avx2 {

void latent_attend(const LatentRuns& tiles, const QueryBlock& queries, const AttendState& state) {
  wide::latent_attend<LatentOps>(tiles, queries, state);
}

}  // namespace lowkey::simd::avx2
