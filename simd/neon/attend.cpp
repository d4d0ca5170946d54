#include "simd/neon/lanes.h"
#include "simd/neon/ops.h"
#include "simd/wide/attend-inl.h"

namespace lowkey::simd::neon {

void attend(KvType type, const KvRun& run, const QueryBlock& queries, const AttendState& state) {
  wide::attend<Arch>(type, run, queries, state);
}

}  // namespace lowkey::simd::neon
