// What the shared bodies in simd/wide/ need to know of this set: its vectors, and its conversions
// of 16-bit floats, which xsimd lacks. Unnamed namespace: nothing here may be merged by the linker
// with another set's code.
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>
#include <xsimd/xsimd.hpp>

namespace lowkey::simd::neon {
namespace {

struct Isa {
  using Arch = xsimd::neon64;
  using Float = xsimd::batch<float, Arch>;
  using Int = xsimd::batch<int32_t, Arch>;
  static constexpr int kLanes = int(Float::size);

  /// Correctly rounded; xsimd's division on ARM is not.
  static Float divide(Float a, Float b) { return vdivq_f32(a, b); }
  /// a b + c in one rounding; xsimd's fma is two instructions for AVX-512.
  static Float mul_add(Float a, Float b, Float c) { return vfmaq_f32(c, a, b); }

  /// The lowest byte of each.
  static void store_bytes(Int x, void* p) {
    const int16x4_t halves = vmovn_s32(x);
    const int8x8_t bytes = vmovn_s16(vcombine_s16(halves, halves));
    const int32_t four = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
    std::memcpy(p, &four, sizeof four);
  }

  static Float load_f16(const uint16_t* p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
  }
  static Float load_bf16(const uint16_t* p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
  }
};

}  // namespace
}  // namespace lowkey::simd::neon
