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

/// Where the code of coordinate c (0..3) of token t stands among the 64 of a group.
template <LatentSide kSide>
constexpr int code_place(int c, int t) {
  return kSide == LatentSide::kK ? kLatentGroup * t + c : kTileTokens * c + t;
}

/// Codes of one token to `codes` [n_padded]; returns the code of its gain.
template <class Ops>
uint8_t quantize_latent(const CoordTable& table, const float* z, int n_coords, uint8_t* codes) {
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
    Ops::store_bytes(xsimd::to_int(x + half), codes + i);
  }
  return gain_code;
}

/// Digits of kBits, one in each byte, of the codes of token t's four coordinates: into their plane.
template <LatentSide kSide, int kBits>
[[gnu::always_inline]] inline void place_digits(uint32_t digits, int t, uint8_t* plane) {
  constexpr int kBytes = 8 * kBits;
  constexpr uint32_t kDigits = 0x01010101u * ((1u << kBits) - 1);
  digits &= kDigits;
  if constexpr (kSide == LatentSide::kK) {  // side by side
    uint8_t* at = plane + kLatentGroup * t % kBytes;
    const int shift = kBits * (kLatentGroup * t / kBytes);
    uint32_t word;
    std::memcpy(&word, at, sizeof word);
    word = (word & ~(kDigits << shift)) | digits << shift;
    std::memcpy(at, &word, sizeof word);
  } else if constexpr (kBits == 4) {  // two in each of two bytes
    plane[t] = uint8_t(digits | digits >> 12);
    plane[t + kTileTokens] = uint8_t(digits >> 8 | digits >> 20);
  } else {  // all in one byte: coordinate c from bit 8 c to bit 2 c
    const uint32_t four = digits | digits >> 6 | digits >> 12 | digits >> 18;
    const uint32_t mask = kBits == 2 ? 0xff : 0x55;
    const int shift = t / kBytes;
    uint8_t& byte = plane[t % kBytes];
    byte = uint8_t((byte & ~(mask << shift)) | (four & mask) << shift);
  }
}

/// Codes [n_groups][4] of token t into its part; the tile's other tokens keep theirs.
template <LatentSide kSide>
void place_token(const LatentPlan& plan, const uint8_t* codes, int t, uint8_t* group) {
  for (int g = 0; g < plan.n_groups(); ++g, codes += kLatentGroup) {
    const int width = plan.widths[g];
    if (width == 8) {
      for (int c = 0; c < kLatentGroup; ++c) group[code_place<kSide>(c, t)] = codes[c];
      group += kGroupCodes;
      continue;
    }
    uint32_t four;
    std::memcpy(&four, codes, sizeof four);
    const auto plane = [&]<int kBits>() __attribute__((always_inline)) {
      if ((width & kBits) == 0) return;
      place_digits<kSide, kBits>(four, t, group);
      four >>= kBits;
      group += 8 * kBits;
    };
    plane.template operator()<4>();
    plane.template operator()<2>();
    plane.template operator()<1>();
  }
}

/// Codes [16][kLatentMaxCoords] of a whole tile into its part.
template <LatentSide kSide>
void place_tile(const LatentPlan& plan, const uint8_t* codes, uint8_t* group) {
  for (int g = 0; g < plan.n_groups(); ++g, codes += kLatentGroup) {
    alignas(64) uint8_t bytes[kGroupCodes];
    for (int t = 0; t < kTileTokens; ++t) {
      for (int c = 0; c < kLatentGroup; ++c) {
        bytes[code_place<kSide>(c, t)] = codes[t * kLatentMaxCoords + c];
      }
    }
    with_width(plan.widths[g], [&]<int kWidth>() { pack_group<kWidth>(bytes, group); });
    group += latent_group_bytes(plan.widths[g]);
  }
}

template <class Ops, LatentSide kSide>
void latent_encode(const LatentPlan& plan, MatrixView<const float> z, int first, std::byte* part) {
  if (plan.n_coords == 0) return;
  const CoordTable table(plan, Ops::kLanes);
  const int n_tokens = int(z.rows);
  auto* groups = reinterpret_cast<uint8_t*>(part) + kTileTokens;
  alignas(64) uint8_t codes[kTileTokens][kLatentMaxCoords];
  for (int n = 0; n < n_tokens; ++n) {
    part[first + n] = std::byte{quantize_latent<Ops>(table, z.row(n), plan.n_coords, codes[n])};
    if (n_tokens < kTileTokens) place_token<kSide>(plan, codes[n], first + n, groups);
  }
  if (n_tokens == kTileTokens) place_tile<kSide>(plan, codes[0], groups);
}

}  // namespace
}  // namespace lowkey::simd::wide
