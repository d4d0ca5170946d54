// Codes of latent tiles between bit planes and bytes.
#pragma once

#include <algorithm>
#include <cstring>

#include "base/view.h"
#include "simd/latent_tile.h"
#include "simd/wide/ahead-inl.h"
#include "simd/wide/unrolled-inl.h"

namespace lowkey::simd::wide {
namespace {

/// Four floats; every set has registers of them.
typedef float Four __attribute__((vector_size(16), aligned(4)));

constexpr int kGroupCodes = kLatentGroup * kTileTokens;

/// 64 codes as the bit planes of one group (layout in simd/latent_tile.h).
template <int kWidth>
void pack_group(const uint8_t* codes, uint8_t* out) {
  if constexpr (kWidth == 8) {
    std::memcpy(out, codes, kGroupCodes);
    return;
  }
  const auto plane = [&]<int kBits, int kShift>() {
    constexpr int kBytes = 8 * kBits;
    for (int j = 0; j < kBytes; ++j) {
      int byte = 0;
      for (int i = 0; i < 8 / kBits; ++i) {
        byte |= ((codes[j + kBytes * i] >> kShift) & ((1 << kBits) - 1)) << (kBits * i);
      }
      out[j] = uint8_t(byte);
    }
    out += kBytes;
  };
  if constexpr (kWidth & 4) plane.template operator()<4, 0>();
  if constexpr (kWidth & 2) plane.template operator()<2, (kWidth & 4)>();
  if constexpr (kWidth & 1) plane.template operator()<1, (kWidth & 6)>();
}

/// Calls f.operator()<width>() with the width as a constant.
template <class F>
[[gnu::always_inline]] inline void with_width(int width, const F& f) {
  switch (width) {
    case 1:
      return f.template operator()<1>();
    case 2:
      return f.template operator()<2>();
    case 3:
      return f.template operator()<3>();
    case 4:
      return f.template operator()<4>();
    case 5:
      return f.template operator()<5>();
    case 6:
      return f.template operator()<6>();
    case 7:
      return f.template operator()<7>();
    default:
      return f.template operator()<8>();
  }
}

/// Parts of one side, `stride` bytes apart.
struct PartRun {
  const std::byte* data = nullptr;
  int64_t stride = 0;
  int n_tiles = 0;
};

/// The groups of some parts as bytes: codes [n_groups][kTiles][64].
template <class Ops, int kTiles>
void unpack_part(const LatentPlan& plan, const PartRun& parts, Ahead& ahead, uint8_t* codes) {
  const int64_t stride = parts.stride;
  const bool full = parts.n_tiles == kTiles;
  const auto* group = reinterpret_cast<const uint8_t*>(parts.data) + kTileTokens;
  for (int g = 0; g < plan.n_groups(); ++g, codes += kTiles * kGroupCodes) {
    with_width(plan.widths[g], [&]<int kWidth>() {
      const auto tile = [&](int t) {
        Ops::store(codes + t * kGroupCodes, Ops::template unpack<kWidth>(group + t * stride));
      };
      for (int t = 0; full && t < kTiles; ++t) tile(t);  // a constant count is unrolled
      for (int t = 0; !full && t < parts.n_tiles; ++t) tile(t);
      group += latent_group_bytes(kWidth);
    });
    ahead.step<kValueLines>();
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
