// z = E (x - mean) of many rows on matrix tiles. Contract: simd/kernel_set.h.
#pragma once

#include <algorithm>

#include "simd/amx/two_parts.h"
#include "simd/avx512/isa.h"
#include "simd/avx512/ops.h"

namespace lowkey::simd::amx {
namespace {

constexpr int kFewRows = 15;       // not worth laying out a matrix for
constexpr int kMostInputs = 256;   // of a row, and outputs
constexpr int kStepInputs = 32;    // of one product
constexpr int kPanelOutputs = 16;  // of one tile
constexpr int kGroupRows = 32;

template <class Unit>
class ProjectKernel {
 public:
  explicit ProjectKernel(const LatentEncoder& e) : e_(e), n_steps_(ceil_div(e.d_in, kStepInputs)) {
    for (int i = 0; i < e.d_out; i += kPanelOutputs) take_panel(i);
  }

  void run(MatrixView<const float> x, MatrixView<float> z) {
    const int64_t n_groups = ceil_div(x.rows, kGroupRows);
    for (int64_t g = 0; g < n_groups; ++g) {
      const Range own = part_of(x.rows, g, n_groups);
      for (int64_t r = own.begin; r < own.end; ++r) take_row(x.row(r), int(r - own.begin));
      const int n = int(own.size());
      unit_.configure(std::min(n, 16), std::max(n - 16, 1));
      const MatrixView<float> out{z.row(own.begin), n, z.cols, z.stride};
      if (n > 16) {
        project<2>(out);
      } else {
        project<1>(out);
      }
    }
  }

 private:
  // What loops need is local: stores into tiles might change members, as far as compilers know.

  /// Outputs from i on.
  void take_panel(int i) {
    const uint16_t* in = e_.matrix + i;
    const int64_t stride = e_.stride, d_in = e_.d_in, n = kStepInputs * n_steps_;
    int64_t to = i * n, j = 0;
    const auto input = [&](int64_t row) -> __m512 {
      return avx512::Isa::load_f16(in + row * stride);
    };
    for (; j + 2 <= d_in; j += 2, to += 2 * kPanelOutputs) {
      matrix_.store_pair(to, input(j), input(j + 1));
    }
    for (; j < n; j += 2, to += 2 * kPanelOutputs) {
      const __m512 none = _mm512_setzero_ps();
      matrix_.store_pair(to, j < d_in ? input(j) : none, none);
    }
  }

  void take_row(const float* x, int r) {
    const float* mean = e_.mean;
    const int64_t d_in = e_.d_in, n = kStepInputs * n_steps_;
    const __m512 scale = _mm512_set1_ps(e_.scale);
    for (int64_t j = 0; j < n; j += kStepInputs) {
      const auto left = uint32_t(std::min<int64_t>(d_in - j, kStepInputs));
      const auto lanes = __mmask32((uint64_t{1} << left) - 1);
      const auto half = [&](int64_t first, __mmask16 own) {
        __m512 value = _mm512_maskz_loadu_ps(own, x + first);
        if (mean) value = _mm512_sub_ps(value, _mm512_maskz_loadu_ps(own, mean + first));
        return _mm512_mul_ps(value, scale);
      };
      rows_.store_row(r * n + j, half(j, __mmask16(lanes)), half(j + 16, __mmask16(lanes >> 16)));
    }
  }

  template <int kGroups>
  void project(MatrixView<float> z) {
    int i = 0;
    for (; i + kPanelOutputs < e_.d_out; i += 2 * kPanelOutputs) project_panels<kGroups, 2>(z, i);
    if (i < e_.d_out) project_panels<kGroups, 1>(z, i);
  }

  template <int kGroups, int kPanels>
  void project_panels(MatrixView<float> z, int i) {
    const int64_t stride = kStepInputs * n_steps_, next = kPanelOutputs * stride;
    unit_.template start<kGroups, kPanels>();
    for (int64_t j = 0; j < stride; j += kStepInputs) {
      const int64_t at = i * stride + j * kPanelOutputs;
      multiply_parts<kGroups, kPanels>(unit_, rows_.at(j, stride), matrix_.at(at),
                                       matrix_.at(at + next));
    }
    const int n = std::min(kPanels * kPanelOutputs, e_.d_out - i);
    if (n == kPanels * kPanelOutputs) {
      return unit_.template store_sums<kGroups, kPanels>(z.data + i, z.stride);
    }
    alignas(64) float sums[kGroupRows][2 * kPanelOutputs];
    unit_.template store_sums<kGroups, kPanels>(sums[0], 2 * kPanelOutputs);
    for (int64_t r = 0; r < z.rows; ++r) std::copy_n(sums[r], n, z.row(r) + i);
  }

  const LatentEncoder& e_;
  int64_t n_steps_;
  Unit unit_;
  TwoParts<kMostInputs * kMostInputs> matrix_;  // [16 outputs][32 inputs], tiles
  TwoParts<kGroupRows * kMostInputs> rows_;
};

template <class Unit>
[[gnu::noinline]] void project_many(const LatentEncoder& e, MatrixView<const float> x,
                                    MatrixView<float> z) {
  ProjectKernel<Unit>(e).run(x, z);
}

/// Few rows, and matrices that are large or whose rows do not end in whole vectors, by the AVX-512
/// kernel.
template <class Unit>
void project_on_tiles(const LatentEncoder& e, MatrixView<const float> x, MatrixView<float> z) {
  const bool fits =
      std::max(e.d_in, e.d_out) <= kMostInputs && round_up(e.d_out, kPanelOutputs) <= e.stride;
  if (x.rows <= kFewRows || !fits) return avx512::latent_project(e, x, z);
  project_many<Unit>(e, x, z);
}

}  // namespace
}  // namespace lowkey::simd::amx
