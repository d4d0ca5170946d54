// Codes are the oracle's bit for bit, whichever tokens of a tile are written and in what order.
#include <algorithm>
#include <cmath>
#include <limits>

#include "simd/scalar/ops.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/latent_case.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

using simd::kTileTokens;
using simd::LatentPlan;
using simd::LatentSide;
using Encode = void (*)(const LatentPlan&, MatrixView<const float>, int, std::byte*);

/// Latents with everything that floats can be in some rows.
std::vector<float> awkward_latents(const LatentPlan& plan, int n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> z = random_latents(plan, n, random);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float odd[] = {0.0f, -0.0f, 1e30f, -1e30f, 1e-40f, kInfinity, -kInfinity, std::nanf("")};
  for (size_t i = 0; i < z.size(); i += 97) z[i] = odd[i / 97 % std::size(odd)];
  for (size_t i = 5; i < z.size(); i += 41) z[i] = plan.steps[int(i) % plan.n_coords] * 2;  // edges
  return z;
}

::testing::AssertionResult same_bytes(Encode got, Encode want, const LatentPlan& plan, int first,
                                      int n) {
  const std::vector<float> z = awkward_latents(plan, n, uint32_t(17 * n + first));
  std::mt19937 random(3);
  std::vector<std::byte> expected(size_t(latent_part_bytes(plan)) + 64);
  for (std::byte& b : expected) b = std::byte(random());
  std::vector<std::byte> found = expected;
  want(plan, matrix(z.data(), n, plan.n_coords), first, expected.data());
  got(plan, matrix(z.data(), n, plan.n_coords), first, found.data());
  const auto differing = std::mismatch(expected.begin(), expected.end(), found.begin());
  if (differing.first == expected.end()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << plan.n_coords << " coordinates, width " << int(plan.widths[0]) << ", tokens " << first
         << " + " << n << ": first different byte " << differing.first - expected.begin();
}

const std::vector<std::vector<int>> kWidthLists = {
    {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {8, 6, 5, 4, 3, 2, 1}, {1, 8, 3}};

::testing::AssertionResult check_encode(const simd::KernelSet& set) {
  for (const auto& widths : kWidthLists) {
    for (int n_coords : {1, 3, 4, 28, 61, 512}) {
      const OwnedPlan owned(n_coords, widths, 5);
      for (const auto& [first, n] : {std::pair(0, 16), {0, 1}, {15, 1}, {3, 9}, {0, 15}}) {
        LK_CHECK_THAT(
            same_bytes(set.latent_encode_k, simd::scalar::latent_encode_k, owned.plan(), first, n));
        LK_CHECK_THAT(
            same_bytes(set.latent_encode_v, simd::scalar::latent_encode_v, owned.plan(), first, n));
      }
    }
  }
  return ::testing::AssertionSuccess();
}

TEST(LatentEncode, EverySetWritesTheOraclesBytes) { expect_on_every_set(check_encode); }

TEST(LatentEncode, NothingStoredTakesNoBytes) {
  expect_on_every_set([](const simd::KernelSet& set) {
    const float z = 1;
    std::byte guard{0x5a};
    set.latent_encode_k({}, {&z, 1, 0, 0}, 0, &guard);
    set.latent_encode_v({}, {&z, 1, 0, 0}, 0, &guard);
    return simd::latent_part_bytes({}) == 0 && guard == std::byte{0x5a}
               ? ::testing::AssertionSuccess()
               : ::testing::AssertionFailure() << "wrote " << int(guard);
  });
}

/// The rule of the layout: the smallest gain of the table that keeps every coordinate in range,
/// and then an error of half a step at most.
void expect_half_a_step(LatentSide side, Encode encode, const std::vector<int>& widths) {
  const OwnedPlan owned(23, widths, 8);
  const LatentPlan& plan = owned.plan();
  std::mt19937 random(9);
  const std::vector<float> z = random_latents(plan, kTileTokens, random);
  std::vector<std::byte> part(size_t(latent_part_bytes(plan)));
  encode(plan, matrix(z.data(), kTileTokens, plan.n_coords), 0, part.data());
  for (int t = 0; t < kTileTokens; ++t) {
    std::vector<float> back(size_t(plan.n_coords));
    latent_decode(side, plan, part.data(), t, back.data());
    const double gain = simd::latent_token_gain(part.data(), t);
    double ratio = 0;
    for (int i = 0; i < plan.n_coords; ++i) {
      const double x = z[size_t(t * plan.n_coords + i)], step = double{plan.steps[i]} * gain;
      const int width = plan.widths[i / 4];
      // A single bit ranges beyond its cells.
      const double largest = 0.5 + double(simd::latent_range(width)) - (1 << (width - 1));
      EXPECT_LE(std::abs(x - double{back[size_t(i)]}), largest * step * (1 + 1e-4))
          << "token " << t << ", coordinate " << i << ", width " << width;
      ratio = std::max(ratio, std::abs(x) / (step * simd::latent_range(width)));
    }
    EXPECT_LE(ratio, 1 + 1e-6);
    if (gain > 1) {
      EXPECT_GE(ratio, std::exp2(-1.0 / 16) * (1 - 1e-6));
    }
  }
}

TEST(LatentEncode, OracleErrsByHalfAStepAtMost) {
  for (const auto& widths : kWidthLists) {
    expect_half_a_step(LatentSide::kK, simd::scalar::latent_encode_k, widths);
    expect_half_a_step(LatentSide::kV, simd::scalar::latent_encode_v, widths);
  }
}

TEST(LatentEncode, GainCodesAreTheSmallestThatSuffice) {
  for (int code = 0; code < 256; ++code) {
    const float gain = simd::latent_gain(uint8_t(code));
    EXPECT_NEAR(gain, std::exp2(code / 16.0), gain * 6e-8);
    EXPECT_EQ(simd::latent_gain_code(gain), std::min(code, 254));
    if (code < 254) {
      EXPECT_EQ(simd::latent_gain_code(std::nextafter(gain, 1e9f)), code + 1);
    }
  }
  EXPECT_EQ(simd::latent_gain_code(0.0f), 0);
  EXPECT_EQ(simd::latent_gain_code(std::nanf("")), 0);
  EXPECT_EQ(simd::latent_gain_code(1e30f), 254);
}

TEST(LatentEncode, CheckNoticesALostGain) {
  simd::KernelSet set = copy_of_scalar_set();
  set.latent_encode_v = [](const LatentPlan& plan, MatrixView<const float> z, int first,
                           std::byte* part) {
    simd::scalar::latent_encode_v(plan, z, first, part);
    part[first] = std::byte{0};
  };
  EXPECT_FALSE(check_encode(set));
}

}  // namespace
}  // namespace lowkey::testing
