// Queries as integers, for dot products with codes: q_i step_i ~ scale (128 hi_i + lo_i).
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "simd/kernel_set.h"
#include "simd/wide/exp2-inl.h"

namespace lowkey::simd::wide {
namespace {

/// Queries that share the unpacked codes of a chunk: as many as their sums have room for, in groups
/// of kQueryGroup, which a matrix tile has rows for.
constexpr int kQueryGroup = 16;
constexpr int kQueryBlock = 3 * kQueryGroup;

/// The matrix tile unit of a set, void if it has none.
template <class Ops>
struct TileUnit {
  using Type = void;
};
template <class Ops>
requires requires { typename Ops::Tiles; }
struct TileUnit<Ops> {
  using Type = typename Ops::Tiles;
};
template <class Ops>
constexpr bool kHasTiles = !std::is_void_v<typename TileUnit<Ops>::Type>;

/// Whether a set multiplies fine groups by 16-bit integers, 128 hi + lo, instead of by halves. Sums
/// of `lo` then hold all of their products.
template <class Ops>
constexpr bool kWordProducts = requires {
  &Ops::dot_words;
};

/// How many levels codes may have, all groups together, before sums of pairs of products (Upper of
/// sets that add them in 16 bits) have to be settled; 0: such sums have room for all.
template <class Ops>
constexpr int kPairRoom = [] {
  if constexpr (requires { Ops::kPairRoom; }) return Ops::kPairRoom;
  return 0;
}();

template <class Ops>
constexpr bool kSettles = kPairRoom<Ops> != 0;

struct LatentQueries {
  int n_queries = 0;
  int n_groups = 0;
  int n_fine = 0;  // groups from here on use the upper half alone
  // Where sums of pairs have to be settled: before these groups, if they lack room for their
  // products. The next such group behind each.
  bool settle[kLatentMaxCoords / kLatentGroup];
  uint8_t next_settle[kLatentMaxCoords / kLatentGroup];
  alignas(64) int8_t hi[kQueryBlock][kLatentMaxCoords];
  alignas(64) int8_t lo[kQueryBlock][kLatentMaxCoords];
  // A score:
  //   gain * (scale * (start + sum of products with codes) + offset)
  float scale[kQueryBlock];
  float offset[kQueryBlock];      // of the 1/2 in (code + 1/2)
  int32_t start_hi[kQueryBlock];  // takes back that codes are stored unsigned
  int32_t start_lo[kQueryBlock];
};

/// One past the last group wide enough to need both halves of the queries, or of the weights.
inline int count_fine_groups(const LatentPlan& plan, int fine_width) {
  int n = plan.n_groups();
  while (n > 0 && plan.widths[n - 1] < fine_width) --n;
  return n;
}

/// Which groups of narrow codes, from `first` on, want sums of pairs settled before them.
inline void plan_settling(const LatentPlan& plan, int first, int room, LatentQueries& out) {
  const int n = plan.n_groups();
  for (int g = first, left = room; g < n; ++g) {
    const int levels = (1 << plan.widths[g]) - 1;
    out.settle[g] = levels > left;
    left = (out.settle[g] ? room : left) - levels;
  }
  for (int g = n - 1, next = n; g >= first; --g) {
    out.next_settle[g] = uint8_t(next);
    if (out.settle[g]) next = g;
  }
}

/// What all queries of a block share, by coordinate; padding has step 0.
struct QueryTable {
  alignas(64) float step[kLatentMaxCoords];
  alignas(64) int32_t shift[kLatentMaxCoords];  // code as multiplied - code as meant
  alignas(64) int32_t fine[kLatentMaxCoords];   // all bits where the lower half counts
  int n_padded = 0;                             // whole vectors, or rows of a matrix tile

  QueryTable(const LatentPlan& plan, int n_fine, int key_offset, int padding) {
    const int n_coded = kLatentGroup * plan.n_groups();
    n_padded = int(round_up(n_coded, padding));
    std::copy(plan.steps, plan.steps + plan.n_coords, step);
    std::fill(step + plan.n_coords, step + n_padded, 0.0f);
    for (int g = 0; g < plan.n_groups(); ++g) {
      std::fill_n(shift + kLatentGroup * g, kLatentGroup, key_offset - (1 << (plan.widths[g] - 1)));
      std::fill_n(fine + kLatentGroup * g, kLatentGroup, g < n_fine ? -1 : 0);
    }
    std::fill(shift + n_coded, shift + n_padded, 0);
    std::fill(fine + n_coded, fine + n_padded, 0);
  }
};

/// Query i of the block from q [n_padded]; what lies behind its coordinates has step 0.
template <class Ops>
void prepare_query(const QueryTable& table, const float* q, int i, LatentQueries& out) {
  using Float = typename Ops::Float;
  using Int = typename Ops::Int;
  constexpr float kLargest = 128 * Ops::kQueryMax;
  const int n = table.n_padded;
  alignas(64) float weight[kLatentMaxCoords];
  Float top(0.0f);
  for (int c = 0; c < n; c += Ops::kLanes) {
    const Float x = Float::load_unaligned(q + c) * Float::load_aligned(table.step + c);
    x.store_aligned(weight + c);
    top = xsimd::max(top, xsimd::abs(x));
  }
  const float largest = Ops::max_of(top);
  const Float inverse(largest > 1e-30f ? kLargest / largest : 0.0f);
  Int sum(0), start_hi(0), start_lo(0);
  for (int c = 0; c < n; c += Ops::kLanes) {
    const Int x = xsimd::nearbyint_as_int(Float::load_aligned(weight + c) * inverse);
    const Int upper = (x + Int(64)) >> 7;
    const Int lower = (x - (upper << 7)) & Int::load_aligned(table.fine + c);
    Ops::store_bytes(upper, out.hi[i] + c);
    Ops::store_bytes(lower, out.lo[i] + c);
    const Int shift = Int::load_aligned(table.shift + c);
    sum += (upper << 7) + lower;
    start_hi += upper * shift;
    start_lo += lower * shift;
  }
  out.scale[i] = largest / kLargest * kLog2E;
  out.offset[i] = 0.5f * float(xsimd::hadd(sum)) * out.scale[i];
  out.start_hi[i] = xsimd::hadd(start_hi);
  out.start_lo[i] = xsimd::hadd(start_lo);
}

template <class Ops>
void prepare_queries(const LatentPlan& plan, const QueryBlock& queries, LatentQueries& out) {
  out.n_queries = queries.n_queries;
  out.n_groups = plan.n_groups();
  out.n_fine = count_fine_groups(plan, Ops::kFineWidth);
  if (kSettles<Ops>) plan_settling(plan, out.n_fine, kPairRoom<Ops>, out);
  const QueryTable table(plan, out.n_fine, Ops::kKeyOffset, kHasTiles<Ops> ? 64 : 16);
  for (int i = 0; i < queries.n_queries; ++i) {
    const float* q = queries.q + int64_t{i} * queries.d_k;
    alignas(64) float padded[kLatentMaxCoords];
    if (table.n_padded > queries.d_k) {
      std::copy(q, q + plan.n_coords, padded);
      std::fill(padded + plan.n_coords, padded + table.n_padded, 0.0f);
      q = padded;
    }
    prepare_query<Ops>(table, q, i, out);
  }
}

}  // namespace
}  // namespace lowkey::simd::wide
