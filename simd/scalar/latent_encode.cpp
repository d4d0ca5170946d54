#include "simd/scalar/latent_encode.h"

#include <cmath>
#include <initializer_list>

namespace lowkey::simd::scalar {
namespace {

/// Largest |z| over the range of its code at gain 1. The comparison leaves out what is not a
/// number.
float largest_ratio(const LatentPlan& plan, const float* z) {
  float ratio = 0;
  for (int i = 0; i < plan.n_coords; ++i) {
    const float range = latent_range(plan.widths[i / kLatentGroup]);
    const float value = std::fabs(z[i] / plan.steps[i]) / range;
    if (value > ratio) ratio = value;
  }
  return ratio;
}

void write_code(uint8_t* group, int width, int v, int code) {
  if (width == 8) {
    group[v] = uint8_t(code);
    return;
  }
  for (int bits : {4, 2, 1}) {
    if ((width & bits) == 0) continue;
    const int n_bytes = 8 * bits, mask = (1 << bits) - 1, shift = bits * (v / n_bytes);
    uint8_t& byte = group[v % n_bytes];
    byte = uint8_t((byte & ~(mask << shift)) | ((code & mask) << shift));
    code >>= bits;
    group += n_bytes;
  }
}

}  // namespace

void latent_encode_token(const LatentPlan& plan, const float* z, int t, CodePlace place,
                         std::byte* part) {
  if (plan.n_coords == 0) return;
  const uint8_t gain_code = latent_gain_code(largest_ratio(plan, z));
  const float gain = latent_gain(gain_code);
  part[t] = std::byte{gain_code};
  auto* group = reinterpret_cast<uint8_t*>(part) + kTileTokens;
  for (int g = 0; g < plan.n_groups(); ++g) {
    const int width = plan.widths[g];
    const float half = float(1 << (width - 1));
    for (int c = 0; c < kLatentGroup; ++c) {
      const int i = kLatentGroup * g + c;
      float level = i < plan.n_coords ? std::floor(z[i] / plan.steps[i] / gain) : 0.0f;
      if (!(level > -half)) level = -half;
      if (level > half - 1) level = half - 1;
      write_code(group, width, place(c, t), int(level + half));
    }
    group += latent_group_bytes(width);
  }
}

}  // namespace lowkey::simd::scalar
