#include "base/threads.h"

#include <algorithm>

namespace lowkey {

namespace {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Long enough to span the serial gaps between two parallel steps of a layer, short enough that an
// idle team leaves the CPU to others: about 50 to 100 microseconds.
constexpr int kSpins = 2000;

}  // namespace

Team::Team(int n_threads) {
  for (int thread = 1; thread < n_threads; ++thread) {
    workers_.emplace_back([this, thread] { work(thread); });
  }
}

Team::~Team() {
  stopping_.store(true);
  round_.fetch_add(1);
  round_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void Team::run(FunctionRef<void(int)> body) {
  if (workers_.empty()) return body(0);
  body_ = &body;
  running_.store(int(workers_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  body(0);
  for (int spins = 0;; ++spins) {
    const int left = running_.load(std::memory_order_acquire);
    if (left == 0) return;
    if (spins < kSpins) {
      relax();
    } else {
      running_.wait(left, std::memory_order_acquire);
    }
  }
}

void Team::parallel_for(int64_t n, int64_t grain, FunctionRef<void(Range, int)> body) {
  grain = std::max<int64_t>(grain, 1);
  if (n <= 0) return;
  if (workers_.empty() || n <= grain) return body({0, n}, 0);
  alignas(64) std::atomic<int64_t> next{0};
  run([&](int thread) {
    for (;;) {
      const int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= n) return;
      body({begin, std::min(begin + grain, n)}, thread);
    }
  });
}

void Team::work(int thread) {
  int seen = 0;
  for (;;) {
    int spins = 0;
    while (round_.load(std::memory_order_acquire) == seen) {
      if (++spins < kSpins) {
        relax();
      } else {
        round_.wait(seen, std::memory_order_acquire);
      }
    }
    ++seen;
    if (stopping_.load()) return;
    (*body_)(thread);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
  }
}

}  // namespace lowkey
