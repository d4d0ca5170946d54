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
  template <int kGroups, int kPanels>
  void multiply(const uint16_t* x, int64_t stride, const __m512i* w0, const __m512i* w1) {
    each<kGroups, kPanels>([&](int g, int m, int p) {
      alignas(64) uint16_t w[16][32];
      for (int k = 0; k < 16; ++k) _mm512_store_si512(w[k], (p == 0 ? w0 : w1)[k]);
      for (int c = 0; c < 32; ++c) {
        const float value = bf16_to_f32(x[(16 * g + m) * stride + c]);
        for (int n = 0; n < 16; ++n) {
          sums_[2 * g + p][m][n] += value * bf16_to_f32(w[c / 2][2 * n + c % 2]);
        }
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
  float sums_[4][16][16];
};

}  // namespace
}  // namespace lowkey::simd::amx
