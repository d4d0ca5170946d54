#include "simd/latent_tile.h"

#include <initializer_list>

namespace lowkey::simd {
namespace {

/// Code number v (0..63) of a group, read plane by plane.
int read_code(const uint8_t* group, int width, int v) {
  if (width == 8) return group[v];
  int code = 0, shift = 0;
  for (int bits : {4, 2, 1}) {
    if ((width & bits) == 0) continue;
    const int n_bytes = 8 * bits;
    const int digit = group[v % n_bytes] >> (bits * (v / n_bytes)) & ((1 << bits) - 1);
    code |= digit << shift;
    shift += bits;
    group += n_bytes;
  }
  return code;
}

}  // namespace

void latent_decode(LatentSide side, const LatentPlan& plan, const std::byte* part, int t,
                   float* z) {
  const auto* group = reinterpret_cast<const uint8_t*>(part) + kTileTokens;
  for (int g = 0; g < plan.n_groups(); ++g) {
    const int width = plan.widths[g];
    for (int c = 0; c < kLatentGroup && kLatentGroup * g + c < plan.n_coords; ++c) {
      const int v = side == LatentSide::kK ? kLatentGroup * t + c : kTileTokens * c + t;
      const float level = float(read_code(group, width, v) - (1 << (width - 1))) + 0.5f;
      z[kLatentGroup * g + c] =
          level * plan.steps[kLatentGroup * g + c] * latent_token_gain(part, t);
    }
    group += latent_group_bytes(width);
  }
}

}  // namespace lowkey::simd
