// The engine's own team of threads: a fork and join cost well under a microsecond while the team
// is warm, which no task scheduler offers. Long uneven work (calibration) goes through tasks.h.
//
// Work is dealt out before it begins: every thread has a share of its own, one stretch, which it
// takes piece by piece from a counter that nobody else touches. Whoever is done helps the others of
// its group of eight, so that a thread that lost its CPU does not hold them up. Groups also report
// their end together. So no counter is fought over, however many threads there are.
//
// Between two pieces of work one thread has things of its own to do. What the others know of the
// next piece they ask memory for meanwhile.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "base/function_ref.h"
#include "base/placement.h"
#include "base/view.h"

namespace lowkey {

class Team {
 public:
  /// What a thread fetches of its share ahead of its work: it is to stay in its level-2 cache until
  /// it is read.
  static constexpr int64_t kFetchBytes = 256 * 1024;

  /// `n_threads` threads in all, the caller's included; at least one.
  explicit Team(int n_threads) : Team(plain_threads(n_threads)) {}
  /// Threads where `plan` puts them. The caller's own is pinned too if each has one CPU, until the
  /// team ends.
  explicit Team(ThreadPlan plan);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return int(workers_.size()) + 1; }
  const ThreadPlan& plan() const { return plan_; }

  /// Runs body(thread) once on every thread; returns when all have finished. Not reentrant.
  void run(FunctionRef<void(int thread)> body);

  /// What work after the next is to read, shared out in order: from the moment that they have
  /// nothing to do, threads fetch the beginning of their shares of [data, data + bytes). A hint;
  /// the bytes need not exist any more.
  void expect(const std::byte* data, int64_t bytes);
  /// Where `thread`'s share of that begins; nullptr if nothing is expected.
  const std::byte* expected(int thread) const;

  /// Hands out [0, n) in pieces of at most `grain`; up to `grain` stays with the caller. Results
  /// must not depend on which thread took a piece.
  void parallel_for(int64_t n, int64_t grain, FunctionRef<void(Range piece, int thread)> body);

  /// The same for work with owners: node k's threads share out [bounds[k], bounds[k + 1]) among
  /// themselves, so that what they touched first they read again. Bounds of another number of nodes
  /// than the team's only say where the work ends.
  void parallel_for_owned(std::span<const int64_t> bounds, int64_t grain,
                          FunctionRef<void(Range piece, int thread)> body);
  /// What `thread` begins with in that: its pieces come in order.
  Range owned_share(std::span<const int64_t> bounds, int thread) const;

 private:
  static constexpr int kGroup = 8;  // threads that help each other
  using Body = FunctionRef<void(int)>;
  using PieceBody = FunctionRef<void(Range, int)>;
  struct alignas(64) Counter {
    std::atomic<uint64_t> value{0};
  };

  /// What one thread still has to fetch.
  struct Fetch {
    uint32_t number = 0;  // of the hint
    const std::byte* at = nullptr;
    const std::byte* end = nullptr;
  };

  void work(int thread);
  /// Whether `bounds` are those of this team's memory nodes, of which there are several.
  bool has_owners(std::span<const int64_t> bounds) const;
  /// Fetches a little, or waits a little if there is nothing to fetch; returns whether it fetched.
  bool fetch_or_relax(int thread, Fetch& fetch) const;
  void arrive(int thread);
  /// Whom a thread helps: itself and its group.
  Range group_of(int thread) const;
  int64_t claim(int thread, uint32_t round);
  /// Pieces of `thread`'s group; share(t): what belongs to thread t.
  template <class Share>
  void take_pieces(int thread, int64_t grain, Share share, PieceBody body);

  ThreadPlan plan_;
  bool caller_pinned_ = false;
  std::unique_ptr<Counter[]> claimed_;  // of each thread: round << 32 | pieces taken of its share
  std::unique_ptr<Counter[]> absent_;   // of each group: threads that still work
  const Body* body_ = nullptr;
  alignas(64) std::atomic<int> round_{0};
  alignas(64) std::atomic<int> running_{0};  // groups whose threads still work
  struct alignas(64) Hint {
    std::atomic<uint32_t> number{0};
    std::atomic<const std::byte*> data{nullptr};
    std::atomic<int64_t> bytes{0};
  } hint_;
  Fetch fetch_;  // the caller's
  alignas(64) std::atomic<bool> stopping_{false};
  std::vector<std::thread> workers_;
};

/// A team of whoever calls, which any number of threads may use at the same time.
Team& caller_alone();

}  // namespace lowkey
