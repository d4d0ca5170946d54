// z = E (x - mean): a few rows of x at a time, so that the matrix is read once for all of them.
#pragma once

#include <algorithm>

#include "simd/kernel_set.h"

namespace lowkey::simd::wide {
namespace {

constexpr int kProjectRows = 4;

/// Rows of x without the mean, [kProjectRows][d_in].
using CentredRows = float[kProjectRows][kLatentMaxCoords];

/// Coordinates [i, i + lanes) of kRows rows. Two chains of sums hide the latency of the FMA.
template <class Ops, int kRows>
void project_lanes(const LatentEncoder& e, const CentredRows& x, int i, float* const* z) {
  using Float = typename Ops::Float;
  Float even[kRows], odd[kRows];
  for (int r = 0; r < kRows; ++r) even[r] = odd[r] = Float(0.0f);
  const auto add = [&](int j, Float(&sum)[kRows]) {
    const Float column = Float::load_unaligned(e.matrix + j * e.stride + i);
    for (int r = 0; r < kRows; ++r) sum[r] = Ops::mul_add(column, Float(x[r][j]), sum[r]);
  };
  int j = 0;
  for (; j + 2 <= e.d_in; j += 2) {
    add(j, even);
    add(j + 1, odd);
  }
  if (j < e.d_in) add(j, even);
  const int n = std::min(Ops::kLanes, e.d_out - i);
  for (int r = 0; r < kRows; ++r) {
    alignas(64) float lanes[Ops::kLanes];
    (even[r] + odd[r]).store_aligned(lanes);
    std::copy(lanes, lanes + n, z[r] + i);
  }
}

template <class Ops, int kRows>
void project_rows(const LatentEncoder& e, const CentredRows& x, float* const* z) {
  int i = 0;
  for (; i < e.d_out && i + Ops::kLanes <= e.stride; i += Ops::kLanes) {
    project_lanes<Ops, kRows>(e, x, i, z);
  }
  for (; i < e.d_out; ++i) {  // rows too short for a whole vector
    for (int r = 0; r < kRows; ++r) {
      float sum = 0;
      for (int j = 0; j < e.d_in; ++j) sum += e.matrix[j * e.stride + i] * x[r][j];
      z[r][i] = sum;
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
    if (rows == kProjectRows) {
      project_rows<Ops, kProjectRows>(e, centred, out);
      continue;
    }
    for (int r = 0; r < rows; ++r) {
      if (r > 0) std::copy(centred[r], centred[r] + e.d_in, centred[0]);
      project_rows<Ops, 1>(e, centred, out + r);
    }
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
