// Latents to codes, whole tiles or single tokens: the same f32 operations as the oracle's, so that
// codes do not depend on the set.
#pragma once

#include "simd/kernel_set.h"
#include "simd/wide/latent_codes-inl.h"

namespace lowkey::simd::wide {
namespace {

/// What the code of a coordinate needs, by coordinate, in whole vectors.
struct CoordTable {
  alignas(64) float step[kLatentMaxCoords];
  alignas(64) float half[kLatentMaxCoords];  // 2^(width - 1)
  alignas(64) float range[kLatentMaxCoords];
  int n_padded = 0;

  explicit CoordTable(const LatentPlan& plan, int lanes) {
    n_padded = (plan.n_coords + lanes - 1) / lanes * lanes;
    for (int i = 0; i < plan.n_coords; ++i) {
      const int width = plan.widths[i / kLatentGroup];
      step[i] = plan.steps[i];
      half[i] = float(1 << (width - 1));
      range[i] = latent_range(width);
    }
    std::fill(step + plan.n_coords, step + n_padded, 1.0f);
    const int last = plan.n_coords > 0 ? plan.widths[plan.n_groups() - 1] : 1;
    std::fill(half + plan.n_coords, half + n_padded, float(1 << (last - 1)));
    std::fill(range + plan.n_coords, range + n_padded, 1.0f);
  }
};

/// Codes of one token to `codes` [n_padded]; returns the code of its gain.
template <class Ops>
uint8_t quantize_latent(const CoordTable& table, const float* z, int n_coords, int32_t* codes) {
  using Float = typename Ops::Float;
  constexpr int kLanes = Ops::kLanes;
  alignas(64) float level[kLatentMaxCoords];
  std::copy(z, z + n_coords, level);
  std::fill(level + n_coords, level + table.n_padded, 0.0f);
  Float ratio(0.0f);
  for (int i = 0; i < table.n_padded; i += kLanes) {
    const Float x =
        Ops::divide(Float::load_aligned(level + i), Float::load_aligned(table.step + i));
    x.store_aligned(level + i);
    const Float value = Ops::divide(xsimd::abs(x), Float::load_aligned(table.range + i));
    ratio = xsimd::select(value > ratio, value, ratio);
  }
  const uint8_t gain_code = latent_gain_code(Ops::max_of(ratio));
  const Float gain(latent_gain(gain_code));
  for (int i = 0; i < table.n_padded; i += kLanes) {
    const Float half = Float::load_aligned(table.half + i);
    Float x = xsimd::floor(Ops::divide(Float::load_aligned(level + i), gain));
    x = xsimd::select(x > -half, x, -half);
    x = xsimd::select(x > half - Float(1.0f), half - Float(1.0f), x);
    xsimd::to_int(x + half).store_aligned(codes + i);
  }
  return gain_code;
}

/// place(c, t): where the code of coordinate c (0..3) of token t stands among the 64 of a group.
template <class Ops, class Place>
void latent_encode(const LatentPlan& plan, MatrixView<const float> z, int first, std::byte* part,
                   Place place) {
  if (plan.n_coords == 0) return;
  const CoordTable table(plan, Ops::kLanes);
  const int n_tokens = int(z.rows);
  alignas(64) int32_t codes[kTileTokens][kLatentMaxCoords];
  for (int n = 0; n < n_tokens; ++n) {
    part[first + n] = std::byte{quantize_latent<Ops>(table, z.row(n), plan.n_coords, codes[n])};
  }
  auto* group = reinterpret_cast<uint8_t*>(part) + kTileTokens;
  for (int g = 0; g < plan.n_groups(); ++g) {
    with_width(plan.widths[g], [&]<int kWidth>() {
      alignas(64) uint8_t bytes[kGroupCodes];
      if (n_tokens < kTileTokens) Ops::store(bytes, Ops::template unpack<kWidth>(group));
      for (int n = 0; n < n_tokens; ++n) {
        for (int c = 0; c < kLatentGroup; ++c) {
          bytes[place(c, first + n)] = uint8_t(codes[n][kLatentGroup * g + c]);
        }
      }
      pack_group<kWidth>(bytes, group);
    });
    group += latent_group_bytes(plan.widths[g]);
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
