// The 16-bit formats against a reference that decodes by arithmetic on exponents and rounds by
// searching the two neighbours: it shares no bit trick with base/half.h.
#include "base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

namespace lowkey {
namespace {

struct Format {
  int exponent_bits;
  int mantissa_bits;
};
constexpr Format kF16{5, 10};
constexpr Format kBF16{8, 7};

/// Value of a bit pattern without its sign, from the definition; the pattern after the largest
/// finite one counts as the next power of two, which is where rounding to infinity begins.
double magnitude_of(Format format, uint32_t bits) {
  const int bias = (1 << (format.exponent_bits - 1)) - 1;
  const int exponent = int(bits >> format.mantissa_bits);
  const double fraction =
      std::ldexp(double(bits & ((1u << format.mantissa_bits) - 1)), -format.mantissa_bits);
  return exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
}

uint32_t infinity_of(Format format) {
  return ((1u << format.exponent_bits) - 1) << format.mantissa_bits;
}

/// Nearest pattern to f, ties to the even one, by bisection over the ordered magnitudes.
uint16_t round_by_search(Format format, float f) {
  const uint32_t sign = std::signbit(f) ? 0x8000 : 0;
  const double target = std::fabs(double(f));
  uint32_t low = 0, high = infinity_of(format);
  if (target >= magnitude_of(format, high)) return uint16_t(sign | high);
  while (high - low > 1) {
    const uint32_t middle = (low + high) / 2;
    (magnitude_of(format, middle) <= target ? low : high) = middle;
  }
  const double below = target - magnitude_of(format, low);
  const double above = magnitude_of(format, high) - target;
  const bool take_high = above < below || (above == below && high % 2 == 0);
  return uint16_t(sign | (take_high ? high : low));
}

TEST(Half, DecodesEveryF16) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const uint32_t magnitude = bits & 0x7fff;
    const float value = f16_to_f32(uint16_t(bits));
    ASSERT_EQ(std::signbit(value), (bits & 0x8000) != 0) << bits;
    if (magnitude > infinity_of(kF16)) {
      ASSERT_TRUE(std::isnan(value)) << bits;
    } else if (magnitude == infinity_of(kF16)) {
      ASSERT_TRUE(std::isinf(value)) << bits;
    } else {
      ASSERT_EQ(std::fabs(double(value)), magnitude_of(kF16, magnitude)) << bits;
    }
  }
}

TEST(Half, EveryF16AndBf16SurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float f16 = f16_to_f32(uint16_t(bits)), bf16 = bf16_to_f32(uint16_t(bits));
    if (std::isnan(f16)) {
      ASSERT_TRUE(std::isnan(f16_to_f32(f32_to_f16(f16)))) << bits;
    } else {
      ASSERT_EQ(f32_to_f16(f16), bits);
    }
    if (std::isnan(bf16)) {
      ASSERT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(bf16)))) << bits;
    } else {
      ASSERT_EQ(f32_to_bf16(bf16), bits);
    }
  }
}

void expect_rounds_alike(float f) {
  ASSERT_EQ(f32_to_f16(f), round_by_search(kF16, f)) << f;
  ASSERT_EQ(f32_to_bf16(f), round_by_search(kBF16, f)) << f;
}

TEST(Half, RoundsTiesAndTheirNeighboursToNearestEven) {
  for (uint32_t bits = 0; bits < infinity_of(kF16); ++bits) {
    const float low = float(magnitude_of(kF16, bits)), high = float(magnitude_of(kF16, bits + 1));
    const float tie = low + (high - low) / 2;
    for (const float f : {tie, std::nextafter(tie, low), std::nextafter(tie, high)}) {
      expect_rounds_alike(f);
      expect_rounds_alike(-f);
    }
  }
}

TEST(Half, RoundsRandomFloatsOfEveryMagnitude) {
  std::mt19937 random(7);
  for (int i = 0; i < 300000; ++i) {
    const float f = std::bit_cast<float>(uint32_t(random()));
    if (!std::isnan(f)) expect_rounds_alike(f);
  }
}

TEST(Half, KeepsNanAndInfinity) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(nan))));
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(nan))));
  // A NaN whose payload sits only in the bits that bf16 drops must not become an infinity.
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_EQ(f16_to_f32(f32_to_f16(-infinity)), -infinity);
  EXPECT_EQ(bf16_to_f32(f32_to_bf16(infinity)), infinity);
}

}  // namespace
}  // namespace lowkey
