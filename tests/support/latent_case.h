// Random plans and runs of latent tiles, filled by the oracle.
#pragma once

#include <random>
#include <vector>

#include "simd/kernel_set.h"
#include "simd/latent_tile.h"

namespace lowkey::testing {

/// A plan that owns its arrays. Steps differ from coordinate to coordinate.
class OwnedPlan {
 public:
  /// Widths of the groups in order, repeated until n_coords are covered.
  OwnedPlan(int n_coords, const std::vector<int>& widths, uint32_t seed);
  const simd::LatentPlan& plan() const { return plan_; }

 private:
  std::vector<uint8_t> widths_;
  std::vector<float> steps_;
  simd::LatentPlan plan_;
};

/// Latents [n, plan.n_coords] that fill the range of their codes, with a few outliers.
std::vector<float> random_latents(const simd::LatentPlan& plan, int n, std::mt19937& random);

/// Tiles of one head: K part and V part alternating. What no token wrote holds bytes of 0xff.
class LatentRunCase {
 public:
  LatentRunCase(const simd::LatentPlan& k, const simd::LatentPlan& v, int n_tokens, uint32_t seed);
  const simd::KvRun& run() const { return run_; }
  /// Marks a token as kept exact elsewhere.
  void hide(int token);
  simd::LatentRuns runs(const simd::LatentPlan& k, const simd::LatentPlan& v) const {
    return {k, v, &run_, 1, nullptr};
  }
  /// Reconstructed latents [n_tokens, n_coords] of one side, and the gain of a token.
  std::vector<float> decode(simd::LatentSide side, const simd::LatentPlan& plan) const;
  float gain(simd::LatentSide side, int token) const;

 private:
  const std::byte* part(simd::LatentSide side, int token) const;
  std::vector<std::byte> bytes_;
  simd::KvRun run_;
};

}  // namespace lowkey::testing
