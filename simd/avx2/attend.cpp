#include "simd/avx2/lanes.h"
#include "simd/avx2/ops.h"
#include "simd/wide/attend-inl.h"

namespace lowkey::simd::avx2 {

void attend(KvType type, const KvRun& run, const QueryBlock& queries, const AttendState& state) {
  wide::attend<Arch>(type, run, queries, state);
}

}  // namespace lowkey::simd::avx2
