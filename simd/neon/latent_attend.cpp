#include "simd/neon/latent_ops.h"
#include "simd/neon/ops.h"
#include "simd/wide/latent_attend-inl.h"

namespace lowkey::simd::neon {

void latent_attend(const LatentRuns& tiles, const QueryBlock& queries, const AttendState& state) {
  wide::latent_attend<LatentOps>(tiles, queries, state);
}

}  // namespace lowkey::simd::neon
