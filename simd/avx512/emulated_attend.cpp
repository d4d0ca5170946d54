// Apart from the other emulated kernels: both kinds of attention have names of their own for the
// same things.
#include "simd/amx/attend_tiles.h"
#include "simd/amx/bf16_emulated.h"
#include "simd/amx/ops.h"

namespace lowkey::simd::amx {

void attend_emulated(KvType type, const KvRun& run, const QueryBlock& queries,
                     const AttendState& state) {
  attend_on_tiles<EmulatedBf16Tiles>(type, run, queries, state);
}

}  // namespace lowkey::simd::amx
