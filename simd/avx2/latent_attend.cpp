#include "simd/avx2/latent_ops.h"
#include "simd/avx2/ops.h"
#include "simd/wide/latent_attend-inl.h"

namespace lowkey::simd::avx2 {

void latent_attend(const LatentPlan& k, const LatentPlan& v, const KvRun& run,
                   const QueryBlock& queries, const AttendState& state) {
  wide::latent_attend<LatentOps>(k, v, run, queries, state);
}

}  // namespace lowkey::simd::avx2
