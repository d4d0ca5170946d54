#include "engine/traffic/bandwidth.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace lowkey::engine {

namespace {

constexpr int64_t kLineFloats = 16;
constexpr int64_t kSmallest = int64_t{64} << 10;  // bytes per thread
constexpr double kRunSeconds = 2e-3;              // small sets are read again and again that long

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Sums in as many chains as hide an addition's latency, of vectors that every machine has; asks
/// for memory as far ahead as the kernels do.
float sum(const float* x, int64_t n) {
  constexpr int kChains = 8;
  constexpr int64_t kAhead = 4096 / sizeof(float);
  typedef float Lanes __attribute__((vector_size(16)));
  Lanes sums[kChains] = {};
  for (int64_t i = 0; i + 2 * kLineFloats <= n; i += 2 * kLineFloats) {
    __builtin_prefetch(x + i + kAhead);
    __builtin_prefetch(x + i + kAhead + kLineFloats);
    const auto* at = reinterpret_cast<const Lanes*>(x + i);
    for (int k = 0; k < kChains; ++k) sums[k] += at[k];
  }
  float total = 0;
  for (const Lanes& lanes : sums) total += lanes[0] + lanes[1] + lanes[2] + lanes[3];
  return total;
}

/// Whole cache lines of [0, n) for one of `n_parts` threads.
Range share_of(int64_t n, int part, int n_parts) {
  const int64_t lines = n / kLineFloats;
  const Range own = part_of(lines, part, n_parts);
  return {own.begin * kLineFloats, own.end * kLineFloats};
}

}  // namespace

Result<BandwidthProbe> BandwidthProbe::create(Team& team, int64_t bytes) {
  BandwidthProbe probe(team);
  LK_ASSIGN(probe.memory_, Buffer<float>::allocate(bytes / 4, "bandwidth test"));
  float* memory = probe.memory_.data();
  team.run([&](int thread) {
    const Range part = share_of(bytes / 4, thread, team.size());
    std::fill(memory + part.begin, memory + part.end, 1.0f);
  });
  return probe;
}

double BandwidthProbe::read(int64_t bytes) {
  const float* memory = memory_.data();
  std::vector<float> sums(size_t(team_->size()) * kLineFloats);
  const auto start = std::chrono::steady_clock::now();
  team_->run([&](int thread) {
    const Range part = share_of(bytes / 4, thread, team_->size());
    sums[size_t(thread) * kLineFloats] = sum(memory + part.begin, part.size());
  });
  const double seconds = seconds_since(start);
  for (float s : sums) sink_ += double(s);
  return seconds;
}

double BandwidthProbe::triad(int64_t bytes) {
  const int64_t n = bytes / 12 / kLineFloats * kLineFloats;
  float *a = memory_.data(), *b = a + n, *c = b + n;
  const auto start = std::chrono::steady_clock::now();
  team_->run([&](int thread) {
    const Range part = share_of(n, thread, team_->size());
    for (int64_t i = part.begin; i < part.end; ++i) a[i] = b[i] * 0.5f + 0.25f * c[i];
  });
  return seconds_since(start);
}

BandwidthPoint BandwidthProbe::measure(int64_t bytes, int n_runs) {
  double read_best = 0, triad_best = 0;
  const double once = std::max(read(bytes), 1e-7);
  const int n_sweeps = int(std::clamp(kRunSeconds / once, 1.0, 1e4));
  const auto rate = [&](auto sweep) {
    double seconds = 0;
    for (int i = 0; i < n_sweeps; ++i) seconds += sweep();
    return double(bytes) * n_sweeps / std::max(seconds, 1e-9);
  };
  for (int r = 0; r < n_runs; ++r) {
    read_best = std::max(read_best, rate([&] { return read(bytes); }));
    triad_best = std::max(triad_best, rate([&] { return triad(bytes); }));
  }
  return {double(bytes), read_best, triad_best};
}

Result<std::vector<BandwidthPoint>> bandwidth_curve(Team& team, int64_t largest,
                                                    const std::function<void(int, int)>& progress) {
  LK_ASSIGN(BandwidthProbe probe, BandwidthProbe::create(team, largest));
  std::vector<int64_t> sizes;
  for (int64_t s = kSmallest * team.size(); s < largest; s *= 2) sizes.push_back(s);
  sizes.push_back(largest);
  std::vector<BandwidthPoint> curve;
  for (int64_t size : sizes) {
    constexpr int kRuns = 5;
    curve.push_back(probe.measure(size, kRuns));
    if (progress) progress(int(curve.size()), int(sizes.size()));
  }
  return curve;
}

}  // namespace lowkey::engine
