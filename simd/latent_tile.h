// Layout of compressed key/value tiles: 16 tokens of one KV head (or of all heads of a layer, for a
// joint basis), stored as integer codes of a latent z = E (x - mean).
//
// Coordinate i is kept with a width of b bits and a step; a token has one gain g >= 1 per head and
// side, so that no coordinate clips silently:
//   code = floor(z / (step g)) clipped to [-2^(b-1), 2^(b-1) - 1],   z^ = (code + 1/2) step g
//   g >= |z| / (step latent_range(b)) for every coordinate
// Codes are stored unsigned (code + 2^(b-1)). kLatentGroup neighbouring coordinates share a width,
// so a group of a tile holds 64 codes, which fill one 64-byte vector of bytes once unpacked:
//   K: byte 4 t + c   one dot-product instruction (4 products added into each 32-bit lane) adds
//                     4 coordinates to the scores of 16 tokens
//   V: byte 16 c + t  one such instruction adds 4 tokens to 4 coordinates; the four lanes of a
//                     coordinate are summed once at the end of the run
// Part (K or V) of a tile, if any coordinate is stored:
//   u8 gain[16], then the groups in order, 8 b bytes each, cut into bit planes (binary digits of
//   b):
//     bits 0..7 if b = 8: the 64 bytes
//     4-bit plane: 32 bytes; byte j holds code j in its low nibble and code j + 32 in the high one
//     2-bit plane: 16 bytes; byte j holds code j + 16 i in its bits 2 i, 2 i + 1
//     1-bit plane:  8 bytes; byte j holds code j + 8 i in its bit i
//   in this order; the first plane holds the lowest bits of the code.
// So any plane is unpacked by a broadcast load, a variable shift and a mask. Nothing is padded as
// long as coordinates come in fours. A side without stored coordinates takes no bytes at all.
// A page lays out tiles as K part, V part, with a constant stride (KvRun in kv_tile.h).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "simd/kv_tile.h"

namespace lowkey::simd {

/// Coordinates that share a width, for K and for V.
constexpr int kLatentGroup = 4;
/// Widths of a stored coordinate that every kernel supports; 0 (not stored) comes for free.
constexpr int kLatentWidths[] = {1, 2, 3, 4, 5, 6, 7, 8};
/// Most coordinates of one side (a joint basis counts all heads of the layer).
constexpr int kLatentMaxCoords = 512;
/// Key groups at least this wide multiply the query in two int8 halves (15 bits); narrower ones
/// take the upper half alone. Its rounding adds about a tenth to the noise power of codes of 6
/// bits, a fortieth at 5 bits, and a hundredth to that of all codes of a head, most narrower still.
constexpr int kLatentFineWidth = 7;
/// The same for values and weights, whose errors do not average out as those of scores do.
constexpr int kLatentFineValueWidth = 5;

/// How the latents of one layer, head and side are coded. Non-owning; the engine keeps the arrays.
/// Coordinates are stored in the order of the latent vector: the first n_coords of its d.
struct LatentPlan {
  int n_coords = 0;                 // stored coordinates, <= kLatentMaxCoords
  const uint8_t* widths = nullptr;  // [n_groups()], 1..8
  const float* steps = nullptr;     // [n_coords], > 0

  int n_groups() const { return (n_coords + kLatentGroup - 1) / kLatentGroup; }
};

/// z = E (x - mean), the projection in front of the code. E is stored transposed, so that a
/// projection needs no sum across lanes, and as halves: a step of decode reads it from memory. Full
/// latents (exact tokens) need all d_out coordinates, a code only the first n_coords.
struct LatentEncoder {
  int d_in = 0;                      // size of x: d, or n_kv * d for a joint basis
  int d_out = 0;                     // coordinates to compute, a prefix of the latent
  int64_t stride = 0;                // entries from one row of `matrix` to the next, >= d_out
  const uint16_t* matrix = nullptr;  // halves [d_in, stride]: scale times entry (j, i) = E[i, j]
  float scale = 1.0f;                // a power of two
  const float* mean = nullptr;       // [d_in], or nullptr for none
};

/// Largest |z| that a code of gain 1 stands for, in steps. A single bit is only a sign, whatever
/// the size: its levels lie closer to zero than half of its range.
constexpr float latent_range(int width) { return width == 1 ? 1.2f : float(1 << (width - 1)); }

/// Bytes of one group of 4 coordinates of 16 tokens.
constexpr int64_t latent_group_bytes(int width) { return 8 * width; }

/// Exact bytes of one part of a tile: codes, gains and padding; used by cache, planner and bench.
inline int64_t latent_part_bytes(const LatentPlan& plan) {
  int64_t bytes = plan.n_coords > 0 ? kTileTokens : 0;
  for (int g = 0; g < plan.n_groups(); ++g) bytes += latent_group_bytes(plan.widths[g]);
  return bytes;
}

/// 2^(i / 16), rounded to nearest.
constexpr float kLatentGainFraction[16] = {
    0x1p+0f,        0x1.0b5586p+0f, 0x1.172b84p+0f, 0x1.2387a6p+0f, 0x1.306fep+0f,  0x1.3dea64p+0f,
    0x1.4bfdaep+0f, 0x1.5ab07ep+0f, 0x1.6a09e6p+0f, 0x1.7a1148p+0f, 0x1.8ace54p+0f, 0x1.9c4918p+0f,
    0x1.ae89fap+0f, 0x1.c199bep+0f, 0x1.d5818ep+0f, 0x1.ea4afap+0f};

/// Gain of a code byte: 2^(code / 16), 1 to 60097.
[[gnu::always_inline]] inline float latent_gain(uint8_t code) {
  const uint32_t bits = std::bit_cast<uint32_t>(kLatentGainFraction[code & 15]);
  return std::bit_cast<float>(bits + (uint32_t{code} >> 4 << 23));
}

/// In place of a key's gain: the token is kept exact elsewhere, its codes are not to be read.
constexpr std::byte kLatentHidden{255};

/// Code of the smallest gain >= ratio (0 if ratio <= 1 or not a number, at most 254).
[[gnu::always_inline]] inline uint8_t latent_gain_code(float ratio) {
  if (!(ratio > 1.0f)) return 0;
  if (ratio >= 0x1p16f) return 254;
  const uint32_t bits = std::bit_cast<uint32_t>(ratio);
  const float fraction = std::bit_cast<float>((bits & 0x7fffff) | 0x3f800000);
  uint32_t code = ((bits >> 23) - 127) * 16;
  for (float entry : kLatentGainFraction) code += entry < fraction;
  return uint8_t(code < 254 ? code : 254);
}

enum class LatentSide : uint8_t { kK, kV };

/// Reconstructs one token (0 <= t < 16) of a part: z [plan.n_coords]. For tests, for inspection and
/// for modes that need the latent itself; the fused kernels never do this.
void latent_decode(LatentSide side, const LatentPlan& plan, const std::byte* part, int t, float* z);

/// Where the store finds the gain of a coded token, e.g. to keep an outlier exact instead.
inline float latent_token_gain(const std::byte* part, int t) {
  return latent_gain(uint8_t(part[t]));
}

}  // namespace lowkey::simd
