// The tile unit's products of bf16 in plain C++, after the pseudocode of TDPBF16PS in Intel's
// manual (volume 2): it proves the indices of the kernel on processors without the unit.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "base/half.h"

namespace lowkey::simd::amx {
namespace {

class EmulatedBf16Tiles {
 public:
  void configure(int first, int second) { rows_[0] = first, rows_[1] = second; }
  static __m512i pairs(__m512 low, __m512 high) {
    const auto rounded = [](__m512 x) {
      const __m512i bits = _mm512_castps_si512(x);
      const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
      return _mm512_add_epi32(_mm512_add_epi32(bits, odd), _mm512_set1_epi32(0x7fff));
    };
    return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(rounded(low), 16), rounded(high));
  }
  template <int kGroups, int kPanels>
  void start() {
    for (auto& tile : sums_) {
      for (auto& row : tile) std::fill_n(row, 16, 0.0f);
    }
  }
  template <int kGroups, int kPanels>
  void load_sums(const float* y, int64_t stride) {
    each<kGroups, kPanels>([&](int g, int m, int p) {
      std::copy_n(y + (16 * g + m) * stride + 16 * p, 16, sums_[2 * g + p][m]);
    });
  }
  template <int kGroups, int kPanels>
  void store_sums(float* y, int64_t stride) const {
    each<kGroups, kPanels>([&](int g, int m, int p) {
      std::copy_n(sums_[2 * g + p][m], 16, y + (16 * g + m) * stride + 16 * p);
    });
  }
  template <int kGroups>
  void load_tokens(const uint16_t* x, int64_t stride) {
    each<kGroups, 1>([&](int g, int m, int) {
      for (int c = 0; c < 32; ++c) tokens_[g][m][c] = bf16_to_f32(x[(16 * g + m) * stride + c]);
    });
  }
  template <int kPanels>
  void load_blocks(const void* w0, const void* w1) {
    for (int p = 0; p < kPanels; ++p) {
      const auto* w = static_cast<const uint16_t*>(p == 0 ? w0 : w1);
      for (int i = 0; i < 512; ++i) blocks_[p][i / 32 * 2 + i % 2][i % 32 / 2] = bf16_to_f32(w[i]);
    }
  }
  template <int kGroups, int kPanels>
  void multiply() {
    each<kGroups, kPanels>([&](int g, int m, int p) {
      for (int c = 0; c < 32; ++c) {
        for (int n = 0; n < 16; ++n) sums_[2 * g + p][m][n] += tokens_[g][m][c] * blocks_[p][c][n];
      }
    });
  }

 private:
  /// f(group, its token, panel).
  template <int kGroups, int kPanels, class F>
  void each(F f) const {
    for (int g = 0; g < kGroups; ++g) {
      for (int m = 0; m < rows_[g]; ++m) {
        for (int p = 0; p < kPanels; ++p) f(g, m, p);
      }
    }
  }

  int rows_[2] = {0, 0};
  float sums_[4][16][16], tokens_[2][16][32], blocks_[2][32][16];
};

}  // namespace
}  // namespace lowkey::simd::amx
