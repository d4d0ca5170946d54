// What the measurements of rates share: medians of repeated runs, and rows of random numbers.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "engine/traffic/machine.h"

namespace lowkey::engine {

constexpr int kManyRows = 32;                     // a block of rows
constexpr int64_t kFarBytes = int64_t{96} << 20;  // beyond the caches of most machines

constexpr double kSlow = 0.1;  // seconds

/// Seconds of one run: median over batches of runs that take about a millisecond each, the least of
/// three such medians, since a shared processor may be away for longer than one takes.
template <class Body>
double seconds_of(Body body) {
  using Clock = std::chrono::steady_clock;
  const auto timed = [&](int n) {
    const auto start = Clock::now();
    for (int i = 0; i < n; ++i) body();
    return std::chrono::duration<double>(Clock::now() - start).count() / n;
  };
  const double first = timed(1);
  // A set of kernels that nobody times in earnest, or a processor that was away for a while.
  if (first > kSlow) return std::min(first, timed(1));
  const int n = int(std::clamp(1e-3 / std::max(timed(3), 1e-9), 1.0, 1e5));
  const auto median = [&] {
    std::array<double, 9> runs;
    for (double& run : runs) run = timed(n);
    std::nth_element(runs.begin(), runs.begin() + 4, runs.end());
    return runs[4];
  };
  return std::min({median(), median(), median()});
}

inline std::vector<float> random_rows(int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> rows(static_cast<size_t>(n));
  for (float& x : rows) x = normal(random);
  return rows;
}

/// `bytes` in `seconds` against what reading alone would take.
inline double efficiency(const Machine& machine, double bytes, double seconds) {
  const double read = machine.bandwidth(bytes);
  return read > 0 ? std::min(1.0, bytes / seconds / read) : 1.0;
}

}  // namespace lowkey::engine
