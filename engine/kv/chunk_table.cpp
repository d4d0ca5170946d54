#include "engine/kv/chunk_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lowkey::engine {

namespace {

using simd::kLatentChunk;
using simd::kSlowPolynomials;

/// Coefficients of f(x), -1 <= x <= 1, in Chebyshev polynomials: interpolation at the 64 roots.
/// Every other float of `out`.
template <class F>
void chebyshev(F f, float* out) {
  constexpr int kNodes = 64;
  for (int j = 0; j < kSlowPolynomials; ++j) {
    double sum = 0;
    for (int k = 0; k < kNodes; ++k) {
      const double angle = std::numbers::pi * (k + 0.5) / kNodes;
      sum += f(std::cos(angle)) * std::cos(j * angle);
    }
    out[2 * j] = float(sum * (j == 0 ? 1.0 : 2.0) / kNodes);
  }
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
  LK_ASSIGN(table.functions_,
            Buffer<float>::allocate(int64_t{p.n_functions()} * kLatentChunk, "rotary phases"));
  const int64_t n_slow = int64_t{p.n_pairs - p.n_fast} * 2 * kSlowPolynomials;
  LK_ASSIGN(table.slow_, Buffer<float>::allocate(std::max<int64_t>(n_slow, 1), "rotary phases"));
  float* row = table.functions_.data();
  for (int t = 0; t < kLatentChunk; ++t, ++row) {
    for (int i = 0; i < p.n_fast; ++i) {
      row[2 * i * kLatentChunk] = float(std::cos(t * frequencies[size_t(i)]));
      row[(2 * i + 1) * kLatentChunk] = float(std::sin(t * frequencies[size_t(i)]));
    }
    const double angle = std::acos(2 * (t + 0.5) / kLatentChunk - 1);
    for (int j = 0; j < kSlowPolynomials; ++j) {
      row[(2 * p.n_fast + j) * kLatentChunk] = float(std::cos(j * angle));
    }
  }
  for (int i = p.n_fast; i < p.n_pairs; ++i) {
    const double w = frequencies[size_t(i)];
    float* pair = table.slow_.data() + int64_t{i - p.n_fast} * 2 * kSlowPolynomials;
    const auto angle = [&](double x) { return w * ((x + 1) * kLatentChunk / 2 - 0.5); };
    chebyshev([&](double x) { return std::cos(angle(x)); }, pair);
    chebyshev([&](double x) { return std::sin(angle(x)); }, pair + 1);
  }
  p.functions = table.functions_.data();
  p.slow = table.slow_.data();
  return table;
}

}  // namespace lowkey::engine
