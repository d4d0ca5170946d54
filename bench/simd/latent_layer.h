// A layer's latent code and a cache filled with it, for the benchmarks of its kernels: 3 KV heads
// with d = 64, a group of 3 queries each.
#pragma once

#include <cstring>
#include <random>
#include <vector>

#include "base/buffer.h"
#include "simd/select.h"

namespace lowkey {

constexpr int kHeads = 3, kGroup = 3, kHeadSize = 64;

struct Layer {
  // What SmolLM2's heads have on average at 2.5 bits per element: 56 coordinates of both sides.
  std::vector<uint8_t> k_widths = {6, 5, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1, 1, 1};
  std::vector<uint8_t> v_widths = {5, 4, 4, 4, 3, 3, 3, 3, 2, 2, 2, 1, 1, 1};
  std::vector<float> k_steps, v_steps;
  simd::LatentPlan k, v;

  Layer() {
    k = plan(k_widths, k_steps);
    v = plan(v_widths, v_steps);
  }
  static simd::LatentPlan plan(const std::vector<uint8_t>& widths, std::vector<float>& steps) {
    for (size_t i = 0; i < widths.size() * simd::kLatentGroup; ++i) {
      steps.push_back(4.0f / float(1 << widths[i / simd::kLatentGroup]));
    }
    return {int(steps.size()), widths.data(), steps.data()};
  }
  int64_t tile_bytes() const { return latent_part_bytes(k) + latent_part_bytes(v); }
};

/// Tiles of normal latents; a few hundred different ones, repeated.
inline ByteBuffer fill_cache(const simd::KernelSet& set, const Layer& layer, int64_t n_tiles) {
  ByteBuffer cache = ByteBuffer::allocate(n_tiles * layer.tile_bytes(), "bench").value();
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> z(simd::kTileTokens * kHeadSize);
  constexpr int64_t kDifferent = 509;
  for (int64_t i = 0; i < n_tiles; ++i) {
    std::byte* tile = cache.data() + i * layer.tile_bytes();
    if (i >= kDifferent) {
      std::memcpy(tile, tile - kDifferent * layer.tile_bytes(), size_t(layer.tile_bytes()));
      continue;
    }
    for (float& x : z) x = normal(random);
    const auto view = matrix<const float>(z.data(), simd::kTileTokens, kHeadSize);
    set.latent_encode_k(layer.k, view, 0, tile);
    set.latent_encode_v(layer.v, view, 0, tile + latent_part_bytes(layer.k));
  }
  return cache;
}

}  // namespace lowkey
