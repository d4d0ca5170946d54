// What every use of the tile unit begins with.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace lowkey::simd::amx {
namespace {

/// GCC's intrinsics do not say that they read memory: what was written there before must not be
/// left out, nor written later.
[[gnu::always_inline]] inline void written(const void* p) { asm volatile("" ::"r"(p) : "memory"); }

/// What a thread's tiles look like: rows and bytes of each.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  void set(int tile, int n_rows, int bytes) {
    rows[tile] = uint8_t(n_rows);
    row_bytes[tile] = uint16_t(bytes);
  }
};

}  // namespace
}  // namespace lowkey::simd::amx
