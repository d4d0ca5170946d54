#include <algorithm>

#include "engine/kv/latent_code.h"
#include "engine/traffic/rates.h"

namespace lowkey::engine {

CacheSpec placeholder_latents(const models::ModelConfig& config, double bits) {
  const int d = config.head_dim, n_groups = d / simd::kLatentGroup;
  // A group of width w costs 4 w bits a token, the gain 8.
  const int n_bits = std::max(1, int((bits * d - 8) / simd::kLatentGroup));
  const int n_stored = std::clamp((n_bits + 2) / 3, 1, n_groups);
  LatentSideCode side;
  side.d = d;
  for (int g = 0; g < n_stored; ++g) {
    side.widths.push_back(uint8_t(std::clamp(n_bits / n_stored + (g < n_bits % n_stored), 1, 8)));
  }
  side.steps.assign(size_t(n_stored * simd::kLatentGroup), 0.25f);
  side.mean.assign(size_t(d), 0.0f);
  std::vector<float> identity(size_t(d) * size_t(d), 0.0f);
  for (int i = 0; i < d; ++i) identity[size_t(i) * size_t(d + 1)] = 1.0f;
  auto code = std::make_shared<LatentCode>();
  code->n_layers = 1;
  code->n_kv_heads = config.n_kv_heads;
  code->head_dim = d;
  code->k.assign(size_t(config.n_kv_heads), side);
  code->v = code->k;
  if (auto matrices = LatentMatrices::create(1, config.n_kv_heads, d); matrices.ok()) {
    for (size_t h = 0; h < code->k.size(); ++h) {
      for (const LatentWay way : kLatentWays) matrices->set(way, h, identity);
    }
    code->matrices = std::make_shared<const LatentMatrices>(std::move(matrices).value());
  }
  CacheSpec spec;
  spec.latent = std::move(code);
  spec.n_sinks = 4;
  spec.n_window = 32;
  return spec;
}

}  // namespace lowkey::engine
