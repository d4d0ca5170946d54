// NEON conversions for the shared bodies (simd/wide/lanes.h).
#pragma once

#include <arm_neon.h>

#include <cstring>

#include "simd/wide/lanes.h"

namespace lowkey::simd::wide {
namespace {

template <>
struct Lanes<xsimd::neon64> {
  using V = Vec<xsimd::neon64>;
  static constexpr int kAccumulators = 24;

  static V f16(const uint16_t* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
  static V bf16(const uint16_t* p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
  static V i8(const int8_t* p) {
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(load4(p))))));
  }
  static V nibble(const uint8_t* p, int shift) {
    const uint8x8_t bytes = vshl_u8(vreinterpret_u8_u32(load4(p)), vdup_n_s8(int8_t(-shift)));
    const uint8x8_t codes = vand_u8(bytes, vdup_n_u8(15));
    const int8x8_t centred = vsub_s8(vreinterpret_s8_u8(codes), vdup_n_s8(8));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(centred))));
  }
  static V broadcast_f16(uint16_t h) { return vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))); }
  static V mul_add(V a, V b, V c) { return vfmaq_f32(c, a, b); }
  static void store_f16(uint16_t* p, V v) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v))); }
  static V swap_neighbours(V v) { return vrev64q_f32(v); }
  static float sum(V v) { return vaddvq_f32(v); }
  static float max(V v) { return vmaxvq_f32(v); }

 private:
  static uint32x2_t load4(const void* p) {
    uint32_t bytes;
    std::memcpy(&bytes, p, 4);
    return vdup_n_u32(bytes);
  }
};

}  // namespace
}  // namespace lowkey::simd::wide

namespace lowkey::simd::neon {
using Arch = xsimd::neon64;
}
