// The engine's own team of threads: a fork and join cost well under a microsecond while the team
// is warm, which no task scheduler offers. Long uneven work (calibration) goes through tasks.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/function_ref.h"
#include "base/view.h"

namespace lowkey {

class Team {
 public:
  /// `n_threads` threads in all, the caller's included; at least one.
  explicit Team(int n_threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return int(workers_.size()) + 1; }

  /// Runs body(thread) once on every thread; returns when all have finished. Not reentrant.
  void run(FunctionRef<void(int thread)> body);

  /// Hands out [0, n) in pieces of `grain`, first come first served, so that a thread that lost
  /// its CPU does not hold up the others. Results must not depend on which thread took a piece.
  void parallel_for(int64_t n, int64_t grain, FunctionRef<void(Range piece, int thread)> body);

 private:
  void work(int thread);

  using Body = FunctionRef<void(int)>;
  const Body* body_ = nullptr;
  alignas(64) std::atomic<int> round_{0};
  alignas(64) std::atomic<int> running_{0};
  alignas(64) std::atomic<bool> stopping_{false};
  std::vector<std::thread> workers_;
};

}  // namespace lowkey
