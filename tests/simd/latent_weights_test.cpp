// The largest weight of a chunk at every token of it: weights are bytes rounded at another
// threshold for each token, and none may leave its byte, whatever its score and gain.
#include <cmath>
#include <random>

#include "tests/support/kernel_harness.h"
#include "tests/support/latent_case.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

constexpr int kCoords = 4, kTokens = 128, kTile = simd::kTileTokens;

/// Tiles whose tokens all have the gain 2^(code / 16); queries look for one of them alone.
struct Tiles {
  Tiles(const simd::KernelSet& set, int code, int token) {
    std::mt19937 random(uint32_t(code) + 1);
    const simd::LatentPlan& plan = widths.plan();
    const int64_t part = simd::latent_part_bytes(plan), tile = 2 * part;
    bytes.resize(size_t(kTokens / kTile * tile));
    for (int t = 0; t < kTokens / kTile; ++t) {
      std::vector<float> z(size_t(kTile * kCoords));
      for (size_t i = 0; i < z.size(); ++i) {
        const int c = int(i) % kCoords;
        // The first coordinate needs all of the gain's range, and tells the token from the others.
        const float sign = t * kTile + int(i) / kCoords == token ? 1.0f : -1.0f;
        const float share = c == 0 ? sign * 0.999f : float(random() % 1000) / 1000.0f;
        z[i] = share * simd::latent_range(4) * plan.steps[c] * std::exp2(float(code) / 16.0f);
      }
      const auto rows = matrix<const float>(z.data(), kTile, kCoords);
      set.latent_encode_k(plan, rows, 0, bytes.data() + t * tile);
      set.latent_encode_v(plan, rows, 0, bytes.data() + t * tile + part);
    }
    run = {bytes.data(), bytes.data() + part, tile, kTokens};
  }

  OwnedPlan widths{kCoords, {4}, 1};
  std::vector<std::byte> bytes;
  simd::KvRun run;
};

/// Each of n_queries queries finds one token: it gets that token's value. `size`: of the score.
::testing::AssertionResult check_lone_tokens(const simd::KernelSet& set, int code, int n_queries,
                                             float size) {
  for (int token = 0; token < kTokens; ++token) {
    const Tiles tiles(set, code, token);
    const simd::LatentPlan& plan = tiles.widths.plan();
    std::vector<float> q(size_t(n_queries * kCoords), 0.0f);
    for (int i = 0; i < n_queries; ++i) q[size_t(i * kCoords)] = size / (7.5f * plan.steps[0]);
    const std::vector<int32_t> begin(size_t(n_queries), 0), end(size_t(n_queries), kTokens);
    std::vector<float> max(size_t(n_queries), -INFINITY), sum(size_t(n_queries), 0.0f);
    std::vector<float> out(size_t(n_queries * kCoords), 0.0f);
    set.latent_attend({plan, plan, &tiles.run, 1, nullptr},
                      {q.data(), begin.data(), end.data(), n_queries, kCoords, kCoords},
                      {max.data(), sum.data(), out.data()});
    float value[kCoords];
    const std::byte* part = tiles.run.v + token / kTile * tiles.run.tile_stride;
    simd::latent_decode(simd::LatentSide::kV, plan, part, token % kTile, value);
    for (int i = 0; i < n_queries * kCoords; ++i) {
      const float want = value[i % kCoords];
      // A weight of 7 bits is off by one in 127 at most.
      LK_CHECK_THAT(within(out[size_t(i)] / sum[size_t(i / kCoords)], want,
                           std::abs(double{want}) / 127 + 1e-6, token, code));
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_weights(const simd::KernelSet& set) {
  for (int code = 0; code < 20; ++code) {
    for (const int n_queries : {1, 3, 16}) {
      for (const float size : {20.0f, 300.0f}) {
        LK_CHECK_THAT(check_lone_tokens(set, code, n_queries, size));
      }
    }
  }
  return ::testing::AssertionSuccess();
}

TEST(LatentWeights, TheLargestFitsItsByteAtEveryToken) { expect_on_every_set(check_weights); }

TEST(LatentWeights, TheLargestFitsItsByteOnTiles) { expect_on_emulated_tiles(check_weights); }

}  // namespace
}  // namespace lowkey::testing
