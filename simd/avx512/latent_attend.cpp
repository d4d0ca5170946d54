#include "simd/avx512/latent_ops.h"
#include "simd/avx512/ops.h"
#include "simd/wide/latent_attend-inl.h"

namespace lowkey::simd::avx512 {

void latent_attend(const LatentRuns& tiles, const QueryBlock& queries, const AttendState& state) {
  wide::latent_attend<LatentOps>(tiles, queries, state);
}

}  // namespace lowkey::simd::avx512
