// The tile unit itself. Needs AMX-INT8 and the system's permission (base/cpu.h asks for it).
#pragma once

#include "simd/amx/tile_config.h"

namespace lowkey::simd::amx {
namespace {

/// Products of 16 rows of k signed bytes, in two halves, with k rows of 16 columns of codes (k =
/// 16, 32 or 64). Holds this thread's tile configuration while it lives.
class HardwareTiles {
 public:
  explicit HardwareTiles(int k) {
    TileConfig config;
    config.set(0, k / 4, 64);                          // weights
    for (int tile : {1, 2}) config.set(tile, 16, k);   // activations
    for (int tile : {3, 4}) config.set(tile, 16, 64);  // sums
    written(&config);
    _tile_loadconfig(&config);
  }
  ~HardwareTiles() { _tile_release(); }
  HardwareTiles(const HardwareTiles&) = delete;
  HardwareTiles& operator=(const HardwareTiles&) = delete;

  /// Sums over one or several products: start, then load_codes and add_hi, add_lo for each, then
  /// store. Codes [k / 4][64], rows `stride` bytes apart, as in panel.h: exactly the order the unit
  /// wants. The halves have registers of their own, so that they overlap.
  void start() {
    _tile_zero(3);
    _tile_zero(4);
  }
  void load_codes(const uint8_t* codes, int64_t stride) {
    written(codes);
    _tile_loadd(0, codes, stride);
  }
  void add_hi(const int8_t* q, int64_t stride) {
    written(q);
    _tile_loadd(1, q, stride);
    _tile_dpbsud(3, 1, 0);
  }
  void add_lo(const int8_t* q, int64_t stride) {
    written(q);
    _tile_loadd(2, q, stride);
    _tile_dpbsud(4, 2, 0);
  }
  /// [16][16] each.
  void store_hi(int32_t* out) { _tile_stored(3, out, 64); }
  void store_lo(int32_t* out) { _tile_stored(4, out, 64); }
};

}  // namespace
}  // namespace lowkey::simd::amx
