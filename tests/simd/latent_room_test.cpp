// Sums of products at their largest: every code the largest there is, every coordinate of a query
// as heavy as the heaviest, every weight the same. Sets that add in 16 bits must find room for
// them.
#include <cmath>

#include "tests/support/kernel_harness.h"
#include "tests/support/latent_case.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

constexpr int kTokens = 144, kTile = simd::kTileTokens;  // a chunk, and a tile of the next

/// Tiles of both sides whose coordinates are all at `sign` times the end of their range.
struct FullTiles {
  FullTiles(const simd::KernelSet& set, const simd::LatentPlan& plan, float sign) {
    const int64_t part = simd::latent_part_bytes(plan), tile = 2 * part;
    bytes.resize(size_t(kTokens / kTile * tile));
    std::vector<float> z;
    for (int i = 0; i < kTile * plan.n_coords; ++i) {
      const int c = i % plan.n_coords, width = plan.widths[c / simd::kLatentGroup];
      z.push_back(sign * 0.999f * simd::latent_range(width) * plan.steps[c]);
    }
    const auto rows = matrix<const float>(z.data(), kTile, plan.n_coords);
    for (std::byte* at = bytes.data(); at < bytes.data() + bytes.size(); at += tile) {
      set.latent_encode_k(plan, rows, 0, at);
      set.latent_encode_v(plan, rows, 0, at + part);
    }
    run = {bytes.data(), bytes.data() + part, tile, kTokens};
  }
  std::vector<std::byte> bytes;
  simd::KvRun run;
};

::testing::AssertionResult check_full(const simd::KernelSet& set, int n_coords,
                                      const std::vector<int>& widths, int n_queries, float sign) {
  const OwnedPlan owned(n_coords, widths, 1);
  const simd::LatentPlan& plan = owned.plan();
  const FullTiles tiles(set, plan, sign);
  const auto n = size_t(n_queries), d = size_t(n_coords);
  std::vector<float> q(n * d), key(d), value(d);
  simd::latent_decode(simd::LatentSide::kK, plan, tiles.run.k, 0, key.data());
  simd::latent_decode(simd::LatentSide::kV, plan, tiles.run.v, 0, value.data());
  double score = 0;
  for (size_t c = 0; c < d; ++c) {
    const float own = 1 / plan.steps[c] / float(1 << widths[0]) / float(n_coords);
    score += double{own} * double{key[c]};
    for (size_t i = 0; i < n; ++i) q[i * d + c] = own;
  }
  const std::vector<int32_t> begin(n, 0), end(n, kTokens);
  std::vector<float> max(n, -INFINITY), sum(n, 0.0f), out(n * d, 0.0f);
  set.latent_attend({plan, plan, &tiles.run, 1, nullptr},
                    {q.data(), begin.data(), end.data(), n_queries, n_coords, n_coords},
                    {max.data(), sum.data(), out.data()});
  for (size_t i = 0; i < n; ++i) {
    // All coordinates weigh the same: nothing of a query is lost in rounding, and little of a
    // weight's 7 bits.
    LK_CHECK_THAT(
        within(std::log(sum[i]) + max[i], score + std::log(kTokens), 1e-3, int64_t(i), -1));
    for (size_t c = 0; c < d; ++c) {
      LK_CHECK_THAT(within(out[i * d + c] / sum[i], value[c], std::abs(double{value[c]}) / 100,
                           int64_t(i), int64_t(c)));
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_room(const simd::KernelSet& set) {
  for (const std::vector<int>& widths :
       {std::vector{8}, {7}, {6}, {5}, {4}, {3}, {2}, {1}, {8, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 1}}) {
    for (const int n_coords : {4, 24, 64, 512}) {
      for (const int n_queries : {1, 3, 4, 16}) {
        for (const float sign : {1.0f, -1.0f}) {
          LK_CHECK_THAT(check_full(set, n_coords, widths, n_queries, sign));
        }
      }
    }
  }
  return ::testing::AssertionSuccess();
}

TEST(LatentRoom, SumsOfTheLargestHaveRoom) { expect_on_every_set(check_room); }

}  // namespace
}  // namespace lowkey::testing
