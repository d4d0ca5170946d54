// The tile unit itself. Needs AMX-INT8 and the system's permission (base/cpu.h asks for it).
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace lowkey::simd::amx {
namespace {

/// One product: 16 tokens by k columns (k = 32, or 16 where a scale covers 16 columns) times
/// k columns by 16 rows. Holds this thread's tile configuration while it lives.
class HardwareTiles {
 public:
  explicit HardwareTiles(int k) {
    struct alignas(64) Config {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } config;
    const auto set = [&](int tile, int rows, int row_bytes) {
      config.rows[tile] = uint8_t(rows);
      config.row_bytes[tile] = uint16_t(row_bytes);
    };
    set(0, k / 4, 64);                          // weights
    for (int tile : {1, 2}) set(tile, 16, k);   // activations
    for (int tile : {3, 4}) set(tile, 16, 64);  // sums
    _tile_loadconfig(&config);
  }
  ~HardwareTiles() { _tile_release(); }
  HardwareTiles(const HardwareTiles&) = delete;
  HardwareTiles& operator=(const HardwareTiles&) = delete;

  /// Code vectors [k / 4][64] as in panel.h: exactly the order the unit wants.
  void load_weights(const uint8_t* codes) { _tile_loadd(0, codes, 64); }

  /// out [16 tokens][16 rows] = q [16 tokens, k], rows `stride` bytes apart, times the weights.
  void multiply_hi(const int8_t* q, int64_t stride, int32_t* out) {
    _tile_zero(3);
    _tile_loadd(1, q, stride);
    _tile_dpbsud(3, 1, 0);
    _tile_stored(3, out, 64);
  }
  /// The same in registers of its own, so that the two overlap.
  void multiply_lo(const int8_t* q, int64_t stride, int32_t* out) {
    _tile_zero(4);
    _tile_loadd(2, q, stride);
    _tile_dpbsud(4, 2, 0);
    _tile_stored(4, out, 64);
  }
};

}  // namespace
}  // namespace lowkey::simd::amx
