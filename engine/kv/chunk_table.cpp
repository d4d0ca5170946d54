#include "engine/kv/chunk_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lowkey::engine {

namespace {

using simd::kLatentChunk;
using simd::kSlowPolynomials;

constexpr int kHalf = kLatentChunk / 2;

/// Coefficients of cos(turn x), -1 <= x <= 1, in even Chebyshev polynomials, then of sin(turn x) in
/// odd ones: interpolation at 64 roots.
void chebyshev(double turn, float* even, float* odd) {
  constexpr int kNodes = 64;
  for (int j = 0; j < kSlowPolynomials; ++j) {
    double sum = 0;
    for (int k = 0; k < kNodes; ++k) {
      const double angle = std::numbers::pi * (k + 0.5) / kNodes, x = turn * std::cos(angle);
      sum += (j % 2 == 0 ? std::cos(x) : std::sin(x)) * std::cos(j * angle);
    }
    (j % 2 == 0 ? even : odd)[j / 2] = float(sum * (j == 0 ? 1.0 : 2.0) / kNodes);
  }
}

/// Sum of what a slow pair's polynomials take but for the first even one, which is constant.
float reach_of(const float* even, const float* odd) {
  float sum = -std::abs(even[0]);
  for (int j = 0; j < kSlowPolynomials / 2; ++j) sum += std::abs(even[j]) + std::abs(odd[j]);
  return sum;
}

/// The functions' values `distance` tokens behind the middle, each kHalf floats from the last.
void function_values(std::span<const double> fast, double distance, float* out) {
  for (const double f : fast) {
    *out = float(std::cos(distance * f));
    out += kHalf;
    *out = float(std::sin(distance * f));
    out += kHalf;
  }
  const double angle = std::acos(distance / kHalf);
  for (int j = 0; j < kSlowPolynomials; ++j, out += kHalf) *out = float(std::cos(j * angle));
}

}  // namespace

int fast_pairs(std::span<const double> frequencies) {
  int n = 0;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    if (frequencies[i] * kLatentChunk / 2 > simd::kSlowTurn) n = int(i) + 1;
  }
  return n;
}

Result<ChunkTable> ChunkTable::create(std::span<const double> frequencies) {
  ChunkTable table;
  simd::ChunkPhases& p = table.phases_;
  p.n_pairs = int(frequencies.size());
  p.n_fast = fast_pairs(frequencies);
  const int64_t n_slow = int64_t{p.n_slow()} * kSlowPolynomials;
  LK_ASSIGN(table.functions_,
            Buffer<float>::allocate(int64_t{p.n_function_pairs()} * kLatentChunk, "rotary phases"));
  LK_ASSIGN(table.slow_, Buffer<float>::allocate(std::max<int64_t>(n_slow, 1), "rotary phases"));
  LK_ASSIGN(table.middle_, Buffer<float>::allocate(int64_t{2} * p.n_pairs, "rotary phases"));
  LK_ASSIGN(table.reach_, Buffer<float>::allocate(p.n_pairs, "rotary phases"));
  for (int t = 0; t < kHalf; ++t) {
    function_values(frequencies.first(size_t(p.n_fast)), t + 0.5, table.functions_.data() + t);
  }
  for (int i = 0; i < p.n_pairs; ++i) {
    const double f = frequencies[size_t(i)], turn = f * (kLatentChunk - 1) / 2;
    table.middle_.data()[i] = float(std::cos(turn));
    table.middle_.data()[p.n_pairs + i] = float(std::sin(turn));
    table.reach_.data()[i] = std::numbers::sqrt2_v<float>;  // |cos| + |sin|
    if (i < p.n_fast) continue;
    float* even = table.slow_.data() + int64_t{i - p.n_fast} * kSlowPolynomials / 2;
    chebyshev(f * kHalf, even, even + n_slow / 2);
    table.reach_.data()[i] = reach_of(even, even + n_slow / 2);
  }
  p.functions = table.functions_.data();
  p.slow = table.slow_.data();
  p.middle = table.middle_.data();
  p.reach = table.reach_.data();
  return table;
}

}  // namespace lowkey::engine
