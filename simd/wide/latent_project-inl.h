// z = E (x - mean): a few rows of x at a time, so that the matrix is read once for all of them.
#pragma once

#include <algorithm>

#include "base/half.h"
#include "simd/kernel_set.h"
#include "simd/wide/latent_codes-inl.h"

namespace lowkey::simd::wide {
namespace {

constexpr int kProjectRows = 4;

/// Rows of x without the mean, [kProjectRows][d_in].
using CentredRows = float[kProjectRows][kLatentMaxCoords];

/// kVectors vectors of coordinates from `i` on, of kRows rows: as many as the registers hold, so
/// that the matrix is read along its rows. Two chains of sums hide the latency of the FMA, the same
/// two however many rows and vectors there are.
template <class Ops, int kRows, int kVectors>
void project_lanes(const LatentEncoder& e, const CentredRows& x, int i, float* const* z) {
  using Float = typename Ops::Float;
  constexpr int kLanes = Ops::kLanes;
  Float even[kRows][kVectors], odd[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) even[r][v] = odd[r][v] = Float(0.0f);
  }
  const auto add = [&](int j, Float(&sum)[kRows][kVectors]) __attribute__((always_inline)) {
    const uint16_t* row = e.matrix + j * e.stride + i;
    for (int v = 0; v < kVectors; ++v) {
      const Float column = Ops::load_f16(row + v * kLanes);
      for (int r = 0; r < kRows; ++r) sum[r][v] = Ops::mul_add(column, Float(x[r][j]), sum[r][v]);
    }
  };
  int j = 0;
  for (; j + 2 <= e.d_in; j += 2) {
    add(j, even);
    add(j + 1, odd);
  }
  if (j < e.d_in) add(j, even);
  const int n = std::min(kLanes * kVectors, e.d_out - i);
  const Float scale(e.scale);
  for (int r = 0; r < kRows; ++r) {
    alignas(64) float lanes[kLanes * kVectors];
    for (int v = 0; v < kVectors; ++v) {
      ((even[r][v] + odd[r][v]) * scale).store_aligned(lanes + v * kLanes);
    }
    std::copy(lanes, lanes + n, z[r] + i);
  }
}

template <class Ops, int kRows>
void project_rows(const LatentEncoder& e, const CentredRows& x, float* const* z) {
  constexpr int kLanes = Ops::kLanes, kFit = Ops::kProjectSums / (2 * kRows);
  constexpr int kVectors = kFit >= 4 ? 4 : kFit >= 2 ? 2 : 1;
  int i = 0;
  for (; i < e.d_out && i + kVectors * kLanes <= e.stride; i += kVectors * kLanes) {
    project_lanes<Ops, kRows, kVectors>(e, x, i, z);
  }
  for (; i < e.d_out && i + kLanes <= e.stride; i += kLanes) {
    project_lanes<Ops, kRows, 1>(e, x, i, z);
  }
  for (; i < e.d_out; ++i) {  // rows too short for a whole vector
    for (int r = 0; r < kRows; ++r) {
      float sum = 0;
      for (int j = 0; j < e.d_in; ++j) sum += f16_to_f32(e.matrix[j * e.stride + i]) * x[r][j];
      z[r][i] = sum * e.scale;
    }
  }
}

template <class Ops>
void latent_project(const LatentEncoder& e, MatrixView<const float> x, MatrixView<float> z) {
  alignas(64) CentredRows centred;
  for (int64_t n = 0; n < x.rows; n += kProjectRows) {
    const int rows = int(std::min<int64_t>(kProjectRows, x.rows - n));
    float* out[kProjectRows];
    for (int r = 0; r < rows; ++r) {
      const float* row = x.row(n + r);
      for (int j = 0; j < e.d_in; ++j) centred[r][j] = e.mean ? row[j] - e.mean[j] : row[j];
      out[r] = z.row(n + r);
    }
    with_count(rows, [&]<int kRows>() { project_rows<Ops, kRows>(e, centred, out); });
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
