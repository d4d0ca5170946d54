// What the shared bodies of the latent ops need of this set: 64 codes in four registers.
// The dot products take operands of one signedness: key codes are made signed, weights are not
// negative.
#pragma once

#include <cstring>

#include "simd/latent_tile.h"
#include "simd/neon/isa.h"
#include "simd/wide/exp2-inl.h"

namespace lowkey::simd::neon {
namespace {

struct LatentOps : Isa {
  struct Codes {
    uint8x16_t part[4];
  };
  struct Sums {
    int32x4_t part[4];
  };
  using Upper = Sums;  // of products with upper halves
  static constexpr int kQueryMax = 127;
  static constexpr int kFineWidth = kLatentFineWidth;
  static constexpr int kKeyOffset = 128;
  static constexpr int kValueOffset = 0;
  static constexpr int kQueryTile = 2;
  static constexpr int kTokenTiles = 1;
  static constexpr int kFineValueWidth = 1;  // all groups take both halves of the weights
  static constexpr int kMixQueries = 1;      // that take the codes of values together
  static constexpr int kMixChains = 1;       // of products of one sum
  static constexpr int kProjectSums = 24;    // of a projection that fit the registers
  static constexpr int kMeanQueries = 1;     // that take the functions of a chunk together
  static constexpr int kMeanVectors = 4;     // of a function that are taken together
  static constexpr int kDirectQueries = 0;   // codes would not stay in the registers

  static Codes load(const uint8_t* p) {
    return {{vld1q_u8(p), vld1q_u8(p + 16), vld1q_u8(p + 32), vld1q_u8(p + 48)}};
  }
  /// Loads and products are as the compiler has them.
  static Codes held(Codes x) { return x; }
  static Codes load_values(const uint8_t* p) { return load(p); }
  static void store(uint8_t* p, const Codes& x) {
    for (int i = 0; i < 4; ++i) vst1q_u8(p + 16 * i, x.part[i]);
  }
  static int8x16_t broadcast4(const int8_t* p) {
    int32_t four;
    std::memcpy(&four, p, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
  }
  static int8x16_t broadcast16(const int8_t* p) { return vld1q_s8(p); }
  static Upper upper() { return sums(0); }
  static Sums sums(int32_t x) {
    return {{vdupq_n_s32(x), vdupq_n_s32(x), vdupq_n_s32(x), vdupq_n_s32(x)}};
  }
  static Sums dot_k(Sums acc, const Codes& c, int8x16_t q) {
    for (int i = 0; i < 4; ++i) {
      const uint8x16_t shifted = veorq_u8(c.part[i], vdupq_n_u8(128));
      acc.part[i] = vdotq_s32(acc.part[i], vreinterpretq_s8_u8(shifted), q);
    }
    return acc;
  }
  static Sums dot_v(Sums acc, const Codes& c, int8x16_t p) {
    for (int i = 0; i < 4; ++i) {
      acc.part[i] = vreinterpretq_s32_u32(
          vdotq_u32(vreinterpretq_u32_s32(acc.part[i]), c.part[i], vreinterpretq_u8_s8(p)));
    }
    return acc;
  }
  static Float to_float(const Sums& hi, const Sums& lo, int part) {
    return vcvtq_f32_s32(vaddq_s32(vshlq_n_s32(hi.part[part], 7), lo.part[part]));
  }

  /// 64 codes of one group, one byte each.
  template <int kWidth>
  static Codes unpack(const uint8_t* p) {
    if constexpr (kWidth == 8) return load(p);
    Codes x = {{vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0)}};
    const auto add = [&](int i, int bits, int at, uint8x16_t bytes, int8x16_t shift) {
      const uint8x16_t digit =
          vandq_u8(vshlq_u8(bytes, vnegq_s8(shift)), vdupq_n_u8(uint8_t((1 << bits) - 1)));
      x.part[i] = vorrq_u8(x.part[i], vshlq_u8(digit, vdupq_n_s8(int8_t(at))));
    };
    if constexpr (kWidth & 4) {
      for (int i = 0; i < 4; ++i) {
        add(i, 4, 0, vld1q_u8(p + 16 * (i % 2)), vdupq_n_s8(int8_t(i / 2 * 4)));
      }
      p += 32;
    }
    if constexpr (kWidth & 2) {
      for (int i = 0; i < 4; ++i) {
        add(i, 2, kWidth & 4, vld1q_u8(p), vdupq_n_s8(int8_t(2 * i)));
      }
      p += 16;
    }
    if constexpr (kWidth & 1) {
      const uint8x8_t eight = vld1_u8(p);
      for (int i = 0; i < 4; ++i) {
        add(i, 1, kWidth & 6, vcombine_u8(eight, eight),
            vcombine_s8(vdup_n_s8(int8_t(2 * i)), vdup_n_s8(int8_t(2 * i + 1))));
      }
    }
    return x;
  }

  static Float mul_add(Float a, Float b, Float c) { return vfmaq_f32(c, a, b); }
  /// 2^x within 7.5e-5 of it; 0 below the range of normal floats.
  static Float exp2(Float x) {
    const Float floor = xsimd::max(xsimd::floor(x), Float(-127.0f));
    const Float f = xsimd::max(x, Float(-127.0f)) - floor;
    const int32x4_t exponent = vaddq_s32(vcvtnq_s32_f32(floor), vdupq_n_s32(127));
    return wide::exp2_fraction<LatentOps>(f) *
           Float(vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)));
  }
  static float first(Float x) { return vgetq_lane_f32(x, 0); }
  static Float reversed(Float x) {
    const float32x4_t pairs = vrev64q_f32(x);
    return vextq_f32(pairs, pairs, 2);
  }
  static float max_of(Float x) { return vmaxvq_f32(x); }
  static float sum_of(Float x) { return vaddvq_f32(x); }

  /// Gains of the tokens of kTiles parts, whose codes begin each part; returns the largest code.
  template <int kTiles>
  static int gains(const uint8_t* codes, int64_t stride, float* out) {
    uint8x16_t largest = vdupq_n_u8(0);
    for (int t = 0; t < kTiles; ++t) {
      largest = vmaxq_u8(largest, vld1q_u8(codes + t * stride));
      for (int i = 0; i < kTileTokens; ++i) {
        out[t * kTileTokens + i] = latent_gain(codes[t * stride + i]);
      }
    }
    return vmaxvq_u8(largest);
  }

  /// Weights of 64 tokens as v = 128 hi + lo, v = round(w), 0 <= hi, lo <= 127; adds v to `sum`.
  static void halves(const Float (&w)[16], int8_t* hi, int8_t* lo, Int& sum, Int&) {
    for (int i = 0; i < 16; i += 2) {
      const int32x4_t a = vcvtnq_s32_f32(w[i]), b = vcvtnq_s32_f32(w[i + 1]);
      sum += Int(vaddq_s32(a, b));
      const int16x8_t words = vcombine_s16(vmovn_s32(a), vmovn_s32(b));
      vst1_s8(hi + 4 * i, vshrn_n_s16(words, 7));
      vst1_s8(lo + 4 * i, vmovn_s16(vandq_s16(words, vdupq_n_s16(127))));
    }
  }
};

}  // namespace
}  // namespace lowkey::simd::neon
