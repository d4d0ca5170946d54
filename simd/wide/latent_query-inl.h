// Queries as integers, for dot products with codes: q_i step_i ~ scale (128 hi_i + lo_i).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "simd/kernel_set.h"

namespace lowkey::simd::wide {
namespace {

/// Queries that share the unpacked codes of a chunk; their sums must stay near the core.
constexpr int kQueryBlock = 16;

struct LatentQueries {
  int n_queries = 0;
  int n_groups = 0;
  int n_fine = 0;  // groups from here on use the upper half alone
  alignas(64) int8_t hi[kQueryBlock][kLatentMaxCoords];
  alignas(64) int8_t lo[kQueryBlock][kLatentMaxCoords];
  // A score in units of log 2, so that the softmax needs no multiplication by log2(e):
  //   gain * (scale * (start + sum of products with codes) + offset)
  float scale[kQueryBlock];
  float offset[kQueryBlock];      // of the 1/2 in (code + 1/2)
  int32_t start_hi[kQueryBlock];  // takes back that codes are stored unsigned
  int32_t start_lo[kQueryBlock];
};

/// One past the last group wide enough to need both halves of the query.
template <class Ops>
int count_fine_groups(const LatentPlan& plan) {
  int n = plan.n_groups();
  while (n > 0 && plan.widths[n - 1] < Ops::kFineWidth) --n;
  return n;
}

/// Query i of the block from q [plan.n_coords].
template <class Ops>
void prepare_query(const LatentPlan& plan, const float* q, int i, LatentQueries& out) {
  constexpr float kLog2E = 1.44269504f, kLargest = 128 * Ops::kQueryMax;
  float weight[kLatentMaxCoords] = {};
  float largest = 0;
  for (int c = 0; c < plan.n_coords; ++c) {
    weight[c] = q[c] * plan.steps[c];
    largest = std::max(largest, std::fabs(weight[c]));
  }
  const float inverse = largest > 1e-30f ? kLargest / largest : 0.0f;
  int64_t sum = 0;
  int32_t start_hi = 0, start_lo = 0;
  for (int g = 0; g < out.n_groups; ++g) {
    const int shift = Ops::kKeyOffset - (1 << (plan.widths[g] - 1));
    for (int c = kLatentGroup * g; c < kLatentGroup * (g + 1); ++c) {
      const int value = int(std::nearbyint(weight[c] * inverse));
      const int hi = (value + 64) >> 7, lo = g < out.n_fine ? value - 128 * hi : 0;
      out.hi[i][c] = int8_t(hi);
      out.lo[i][c] = int8_t(lo);
      sum += 128 * hi + lo;
      start_hi += hi * shift;
      start_lo += lo * shift;
    }
  }
  out.scale[i] = largest / kLargest * kLog2E;
  out.offset[i] = 0.5f * float(sum) * out.scale[i];
  out.start_hi[i] = start_hi;
  out.start_lo[i] = start_lo;
}

template <class Ops>
void prepare_queries(const LatentPlan& plan, const QueryBlock& queries, LatentQueries& out) {
  out.n_queries = queries.n_queries;
  out.n_groups = plan.n_groups();
  out.n_fine = count_fine_groups<Ops>(plan);
  for (int i = 0; i < queries.n_queries; ++i) {
    prepare_query<Ops>(plan, queries.q + int64_t{i} * queries.d_k, i, out);
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
