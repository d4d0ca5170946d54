// The only door to oneDNN: dense matrix products of one thread of the team.
//
// oneDNN's package comes with OpenMP threads. They would fight with the team for the same CPUs, so
// every call here runs on the calling thread alone, and the team splits the rows of the weights.
#pragma once

#include <cstdint>

#include "base/view.h"

namespace lowkey::engine {

/// y [m, n] (rows y_stride apart) = x [m, k] w^T, w [n, k]; adds to y if `accumulate`.
struct GemmShape {
  int64_t m = 0, n = 0, k = 0;
  int64_t x_stride = 0, w_stride = 0, y_stride = 0;
  bool accumulate = false;
};

void gemm_f32(const GemmShape& shape, const float* x, const float* w, float* y);

}  // namespace lowkey::engine
