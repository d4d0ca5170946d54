// Read bandwidth of this machine as a curve: how fast the team's threads get through working sets
// that lie in their caches, in the shared cache, in memory.
#pragma once

#include <functional>
#include <vector>

#include "base/buffer.h"
#include "base/threads.h"
#include "engine/traffic/machine.h"

namespace lowkey::engine {

class BandwidthProbe {
 public:
  /// Memory for working sets of up to `bytes`, touched first by the threads that will read it.
  static Result<BandwidthProbe> create(Team& team, int64_t bytes);

  /// Reads the first `bytes` once, every thread its share; returns seconds.
  double read(int64_t bytes);
  /// a = b + s c over three arrays of bytes / 3; returns seconds.
  double triad(int64_t bytes);

  /// Best of `n_runs` runs after one that warms up.
  BandwidthPoint measure(int64_t bytes, int n_runs);

 private:
  explicit BandwidthProbe(Team& team) : team_(&team) {}

  Team* team_;
  Buffer<float> memory_;
  double sink_ = 0;  // what was read, so that no compiler leaves the reading out
};

/// Working sets from 64 KiB per thread to `largest`, each twice the one before.
Result<std::vector<BandwidthPoint>> bandwidth_curve(
    Team& team, int64_t largest, const std::function<void(int done, int total)>& progress);

}  // namespace lowkey::engine
