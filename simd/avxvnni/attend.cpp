#include "simd/avx2/lanes.h"
#include "simd/avxvnni/ops.h"
#include "simd/wide/attend-inl.h"

namespace lowkey::simd::avxvnni {

void attend(KvType type, const KvRun& run, const QueryBlock& queries, const AttendState& state) {
  wide::attend<avx2::Arch>(type, run, queries, state);
}

}  // namespace lowkey::simd::avxvnni
