// Rotary frequencies and angles against their formulas, written out here anew.
#include "engine/decoder/rope_table.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lowkey::engine {
namespace {

models::RopeConfig config(int n_rot) {
  models::RopeConfig rope;
  rope.n_rot = n_rot;
  rope.theta = 10000.0f;
  return rope;
}

TEST(RopeFrequencies, FollowThePaper) {
  const auto f = rope_frequencies(config(8));
  ASSERT_EQ(f.size(), 4u);
  const double expected[] = {1.0, 0.1, 0.01, 0.001};  // 10000^(-2 i / 8)
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(f[i] / expected[i], 1.0, 1e-12);
}

TEST(RopeFrequencies, LinearScalingAndFactorsDivide) {
  models::RopeConfig rope = config(4);
  rope.linear_factor = 4.0f;
  rope.frequency_factors = {1.0f, 2.0f};
  const auto f = rope_frequencies(rope);
  EXPECT_NEAR(f[0], 0.25, 1e-12);
  EXPECT_NEAR(f[1], 0.01 / 8.0, 1e-12);
}

TEST(RopeFrequencies, Llama3KeepsShortWavesAndStretchesLongOnes) {
  models::RopeConfig rope = config(16);
  rope.llama3 = models::Llama3RopeScaling{8.0f, 1.0f, 4.0f, 64};
  const auto scaled = rope_frequencies(rope), plain = rope_frequencies(config(16));
  // Waves of 2 pi 10^(i / 2) tokens; 16 or fewer are kept, 64 or more slowed by 8.
  EXPECT_EQ(scaled[0], plain[0]);
  for (size_t i = 3; i < 8; ++i) EXPECT_NEAR(scaled[i], plain[i] / 8.0, 1e-15) << i;
  for (size_t i : {size_t{1}, size_t{2}}) {
    const double wave = 2.0 * std::acos(-1.0) * std::pow(10.0, double(i) / 2.0);
    const double smooth = (64.0 / wave - 1.0) / 3.0;
    const double expected = (1.0 - smooth) * plain[i] / 8.0 + smooth * plain[i];
    EXPECT_NEAR(scaled[i], expected, 1e-12) << i;
  }
  EXPECT_LT(scaled[1], plain[1]);
  EXPECT_GT(scaled[1], plain[1] / 8.0);
}

TEST(RopeTable, RowsHoldCosinesThenSines) {
  const models::RopeConfig rope = config(8);
  RopeTable table(rope);
  table.reserve(3);
  table.reserve(5000);  // grown: old rows stay
  table.reserve(10);    // smaller: nothing is lost
  const auto f = rope_frequencies(rope);
  for (const int64_t position : {0, 1, 2, 3, 777, 4999}) {
    const float* row = table.row(position);
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_NEAR(row[i], std::cos(double(position) * f[i]), 1e-7);
      EXPECT_NEAR(row[4 + i], std::sin(double(position) * f[i]), 1e-7);
    }
  }
}

TEST(RopeTable, ChunkStartsAreItsRowsSideBySide) {
  RopeTable table(config(8));
  table.reserve(300);
  table.reserve(20000);  // grown
  EXPECT_EQ(table.chunk_starts(64).data, nullptr);
  for (const int64_t first : {0, 128, 4096, 19968}) {
    const simd::ChunkStarts starts = table.chunk_starts(first);
    ASSERT_NE(starts.data, nullptr);
    for (int64_t k = 0; k < simd::kLatentStarts && first + k * simd::kLatentChunk < 20000; ++k) {
      const float* row = table.row(first + k * simd::kLatentChunk);
      for (int i = 0; i < 8; ++i) EXPECT_EQ(starts.data[i * starts.stride + k], row[i]);
    }
  }
}

}  // namespace
}  // namespace lowkey::engine
