// Integer engine of this set: sdot, signed bytes times signed bytes added into 32 bits.
#pragma once

#include "simd/neon/isa.h"
#include "simd/panel.h"

namespace lowkey::simd::neon {
namespace {

struct Dot {
  /// Codes below 128, and the signed ones of kU8, are signed bytes as they are.
  template <PanelType, int kVectors>
  static Isa::Int sum(const uint8_t* codes, const int8_t* q, int part) {
    const auto* rows = reinterpret_cast<const int8_t*>(codes) + 16 * part;
    int32x4_t total = vdupq_n_s32(0);
    for (int v = 0; v < kVectors; v += 4) {
      const int8x16_t columns = vld1q_s8(q + 4 * v);
      total = vdotq_laneq_s32(total, vld1q_s8(rows + 64 * v), columns, 0);
      total = vdotq_laneq_s32(total, vld1q_s8(rows + 64 * (v + 1)), columns, 1);
      total = vdotq_laneq_s32(total, vld1q_s8(rows + 64 * (v + 2)), columns, 2);
      total = vdotq_laneq_s32(total, vld1q_s8(rows + 64 * (v + 3)), columns, 3);
    }
    return total;
  }
};

}  // namespace
}  // namespace lowkey::simd::neon
