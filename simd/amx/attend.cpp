#include "simd/amx/attend_tiles.h"
#include "simd/amx/bf16_hw.h"
#include "simd/amx/ops.h"

namespace lowkey::simd::amx {

void attend(KvType type, const KvRun& run, const QueryBlock& queries, const AttendState& state) {
  attend_on_tiles<HardwareBf16Tiles>(type, run, queries, state);
}

}  // namespace lowkey::simd::amx
