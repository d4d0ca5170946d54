// What the shared bodies need beyond xsimd: loads that convert, sums and maxima across lanes.
// Each instruction set specialises Lanes in its own folder's lanes.h.
#pragma once

#include <cstdint>
#include <xsimd/xsimd.hpp>

namespace lowkey::simd::wide {
namespace {

template <class Arch>
using Vec = xsimd::batch<float, Arch>;

template <class Arch>
constexpr int kLanes = int(Vec<Arch>::size);

/// Lanes<Arch> has these static functions; W = kLanes<Arch>:
///   Vec f16(const uint16_t*), bf16(const uint16_t*), i8(const int8_t*)   W elements to f32
///   Vec nibble(const uint8_t* bytes, int shift)  ((byte >> shift) & 15) - 8 of W bytes
///   Vec broadcast_f16(uint16_t)
///   Vec mul_add(Vec a, Vec b, Vec c)             a * b + c, rounded once
///   void store_f16(uint16_t*, Vec)               rounds to nearest even
///   Vec swap_neighbours(Vec)                     lanes 2 i and 2 i + 1
///   float sum(Vec), max(Vec)                     across lanes
/// where products of pairs of 16-bit integers pay (simd/wide/attend_pairs-inl.h):
///   Pairs, a batch of int32_t
///   Pairs pair_of(Vec low, Vec high)             rounded, low in the lower 16 bits of each lane
///   Pairs dot_pairs(Pairs acc, Pairs a, Pairs b)
///   void store_i16(int16_t*, Vec); Vec exp2(Vec)
/// and kAccumulators, how many of its registers may hold sums in an inner loop.
template <class Arch>
struct Lanes;

/// a * b + c in one instruction; xsimd 8.1 makes two of it for AVX-512.
template <class Arch>
inline Vec<Arch> mul_add(Vec<Arch> a, Vec<Arch> b, Vec<Arch> c) {
  return Lanes<Arch>::mul_add(a, b, c);
}

/// Applies body(i) to full vectors at i = 0, W, 2 W ..., and returns the first index left over.
template <class Arch, class Body>
inline int64_t for_full_vectors(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + kLanes<Arch> <= n; i += kLanes<Arch>) body(i);
  return i;
}

/// The n < W floats at x, the other lanes `fill`.
template <class Arch>
inline Vec<Arch> load_part(const float* x, int64_t n, float fill = 0) {
  alignas(64) float lanes[kLanes<Arch>];
  for (int i = 0; i < kLanes<Arch>; ++i) lanes[i] = i < n ? x[i] : fill;
  return Vec<Arch>::load_aligned(lanes);
}

/// The first n < W lanes of v to x.
template <class Arch>
inline void store_part(float* x, int64_t n, Vec<Arch> v) {
  alignas(64) float lanes[kLanes<Arch>];
  v.store_aligned(lanes);
  for (int i = 0; i < n; ++i) x[i] = lanes[i];
}

template <class Arch>
inline Vec<Arch> load(const float* x) {
  return Vec<Arch>::load_unaligned(x);
}

}  // namespace
}  // namespace lowkey::simd::wide
