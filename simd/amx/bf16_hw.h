// The tile unit itself, in bf16. Needs AMX-BF16, AVX512-BF16 and the system's permission
// (base/cpu.h asks for it).
#pragma once

#include <bit>
#include <initializer_list>

#include "simd/amx/tile_config.h"

namespace lowkey::simd::amx {
namespace {

/// Products of bf16: one or two groups of up to 16 tokens by one or two panels of 16 rows, 32
/// columns at a time. Holds this thread's tile configuration while it lives.
class HardwareBf16Tiles {
 public:
  HardwareBf16Tiles() = default;
  ~HardwareBf16Tiles() { _tile_release(); }
  HardwareBf16Tiles(const HardwareBf16Tiles&) = delete;
  HardwareBf16Tiles& operator=(const HardwareBf16Tiles&) = delete;

  /// Tokens of the first and of the second group, 1 to 16 each.
  void configure(int first, int second) {
    if (first == rows_[0] && second == rows_[1]) return;
    rows_[0] = first, rows_[1] = second;
    TileConfig config;
    for (int group : {0, 1}) {
      for (int panel : {0, 1}) config.set(2 * group + panel, rows_[group], 64);
      config.set(4 + group, rows_[group], 64);
    }
    for (int tile : {6, 7}) config.set(tile, 16, 64);
    written(&config);
    _tile_loadconfig(&config);
  }
  /// Two floats, rounded, in the 32 bits of each lane.
  static __m512i pairs(__m512 low, __m512 high) {
    alignas(64) static constexpr uint16_t kSideBySide[32] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const auto both = std::bit_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    return _mm512_permutexvar_epi16(_mm512_load_si512(kSideBySide), both);
  }
  template <int kGroups, int kPanels>
  void start() {
    _tile_zero(0);
    if constexpr (kPanels > 1) _tile_zero(1);
    if constexpr (kGroups > 1) _tile_zero(2);
    if constexpr (kGroups > 1 && kPanels > 1) _tile_zero(3);
  }
  /// Sums of group g and panel p: rows `stride` floats apart from y + 16 stride g + 16 p on.
  template <int kGroups, int kPanels>
  void load_sums(const float* y, int64_t stride) {
    written(y);
    const int64_t bytes = 4 * stride;
    const float* next = y + 16 * stride;
    _tile_loadd(0, y, bytes);
    if constexpr (kPanels > 1) _tile_loadd(1, y + 16, bytes);
    if constexpr (kGroups > 1) _tile_loadd(2, next, bytes);
    if constexpr (kGroups > 1 && kPanels > 1) _tile_loadd(3, next + 16, bytes);
  }
  template <int kGroups, int kPanels>
  void store_sums(float* y, int64_t stride) {
    const int64_t bytes = 4 * stride;
    float* next = y + 16 * stride;
    _tile_stored(0, y, bytes);
    if constexpr (kPanels > 1) _tile_stored(1, y + 16, bytes);
    if constexpr (kGroups > 1) _tile_stored(2, next, bytes);
    if constexpr (kGroups > 1 && kPanels > 1) _tile_stored(3, next + 16, bytes);
    written(y);
  }
  /// 32 columns of the tokens from x on, rows `stride` elements apart.
  template <int kGroups>
  void load_tokens(const uint16_t* x, int64_t stride) {
    written(x);
    _tile_loadd(4, x, 2 * stride);
    if constexpr (kGroups > 1) _tile_loadd(5, x + 16 * stride, 2 * stride);
  }
  /// A block of each panel.
  template <int kPanels>
  void load_blocks(const void* w0, const void* w1) {
    written(w0);
    _tile_loadd(6, w0, 64);
    if constexpr (kPanels > 1) _tile_loadd(7, w1, 64);
  }
  /// Adds the products of what is loaded to the sums.
  template <int kGroups, int kPanels>
  void multiply() {
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kPanels > 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (kGroups > 1) _tile_dpbf16ps(2, 5, 6);
    if constexpr (kGroups > 1 && kPanels > 1) _tile_dpbf16ps(3, 5, 7);
  }

 private:
  int rows_[2] = {0, 0};
};

}  // namespace
}  // namespace lowkey::simd::amx
