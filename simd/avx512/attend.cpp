#include "simd/avx512/lanes.h"
#include "simd/avx512/ops.h"
#include "simd/wide/attend-inl.h"

namespace lowkey::simd::avx512 {

void attend(KvType type, const KvRun& run, const QueryBlock& queries, const AttendState& state) {
  wide::attend<Arch>(type, run, queries, state);
}

}  // namespace lowkey::simd::avx512
