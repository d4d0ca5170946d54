#include "tests/support/latent_case.h"

#include <algorithm>

#include "simd/scalar/ops.h"

namespace lowkey::testing {

using simd::kTileTokens;
using simd::LatentPlan;
using simd::LatentSide;

OwnedPlan::OwnedPlan(int n_coords, const std::vector<int>& widths, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> spread(0.5f, 2.0f);
  plan_.n_coords = n_coords;
  for (int g = 0; g < plan_.n_groups(); ++g) {
    widths_.push_back(uint8_t(widths[size_t(g) % widths.size()]));
  }
  for (int i = 0; i < n_coords; ++i) {
    steps_.push_back(spread(random) * 3.0f / float(1 << widths_[size_t(i / simd::kLatentGroup)]));
  }
  plan_.widths = widths_.data();
  plan_.steps = steps_.data();
}

std::vector<float> random_latents(const LatentPlan& plan, int n, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> z;
  for (int t = 0; t < n; ++t) {
    const float outlier = random() % 8 == 0 ? 3.0f : 0.4f;
    for (int i = 0; i < plan.n_coords; ++i) {
      const float range = plan.steps[i] * float(1 << (plan.widths[i / simd::kLatentGroup] - 1));
      z.push_back(outlier * range * normal(random));
    }
  }
  return z;
}

LatentRunCase::LatentRunCase(const LatentPlan& k, const LatentPlan& v, int n_tokens,
                             uint32_t seed) {
  std::mt19937 random(seed);
  const int64_t k_bytes = latent_part_bytes(k), stride = k_bytes + latent_part_bytes(v);
  const int64_t n_bytes = ceil_div(n_tokens, kTileTokens) * stride;
  bytes_.assign(size_t(n_bytes) + 1, std::byte{0xff});  // not null even if nothing is stored
  run_ = {bytes_.data(), bytes_.data() + k_bytes, stride, n_tokens};
  for (int t = 0; t < n_tokens; t += kTileTokens) {
    const int n = std::min(kTileTokens, n_tokens - t);
    std::byte* tile = bytes_.data() + t / kTileTokens * stride;
    const std::vector<float> keys = random_latents(k, n, random);
    const std::vector<float> values = random_latents(v, n, random);
    simd::scalar::latent_encode_k(k, matrix(keys.data(), n, k.n_coords), 0, tile);
    simd::scalar::latent_encode_v(v, matrix(values.data(), n, v.n_coords), 0, tile + k_bytes);
  }
}

void LatentRunCase::hide(int token) {
  bytes_[size_t(token / kTileTokens * run_.tile_stride + token % kTileTokens)] =
      simd::kLatentHidden;
}

const std::byte* LatentRunCase::part(LatentSide side, int token) const {
  return (side == LatentSide::kK ? run_.k : run_.v) + token / kTileTokens * run_.tile_stride;
}

std::vector<float> LatentRunCase::decode(LatentSide side, const LatentPlan& plan) const {
  std::vector<float> z(size_t(run_.n_tokens) * size_t(plan.n_coords));
  for (int t = 0; t < run_.n_tokens && plan.n_coords > 0; ++t) {
    latent_decode(side, plan, part(side, t), t % kTileTokens, z.data() + t * plan.n_coords);
  }
  return z;
}

float LatentRunCase::gain(LatentSide side, int token) const {
  return simd::latent_token_gain(part(side, token), token % kTileTokens);
}

}  // namespace lowkey::testing
