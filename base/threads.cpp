#include "base/threads.h"

#include <algorithm>
#include <utility>

#include "base/cpu.h"

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

constexpr int kFetchLines = 4;  // between two looks at whether there is work

}  // namespace

Team::Team(ThreadPlan plan) : plan_(std::move(plan)) {
  allowed_cpus();  // as they were before any pin
  claimed_ = std::make_unique<Counter[]>(size_t(plan_.n_threads()));
  absent_ = std::make_unique<Counter[]>(size_t(ceil_div(plan_.n_threads(), kGroup)));
  for (int thread = 1; thread < plan_.n_threads(); ++thread) {
    workers_.emplace_back([this, thread] { work(thread); });
  }
  caller_pinned_ = !plan_.cpus_of[0].empty();
  if (caller_pinned_) pin_this_thread(plan_.cpus_of[0]);
}

Team::~Team() {
  stopping_.store(true);
  round_.fetch_add(1);
  round_.notify_all();
  for (auto& worker : workers_) worker.join();
  if (caller_pinned_) pin_this_thread({});
}

Range Team::group_of(int thread) const {
  const int first = thread / kGroup * kGroup;
  return {first, std::min(first + kGroup, size())};
}

void Team::run(FunctionRef<void(int)> body) {
  if (workers_.empty()) return body(0);
  body_ = &body;
  const int n_groups = int(ceil_div(size(), kGroup));
  for (int g = 0; g < n_groups; ++g) {
    const auto n = uint64_t(group_of(g * kGroup).size());
    absent_[size_t(g)].value.store(n, std::memory_order_relaxed);
  }
  running_.store(n_groups, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  body(0);
  arrive(0);
  for (int spins = 0;;) {
    const int left = running_.load(std::memory_order_acquire);
    if (left == 0) return;
    if (spins < kSpins) {
      spins += !fetch_or_relax(0, fetch_);
    } else {
      running_.wait(left, std::memory_order_acquire);
    }
  }
}

void Team::expect(const std::byte* data, int64_t bytes) {
  if (workers_.empty() || !data) return;
  hint_.data.store(data, std::memory_order_relaxed);
  hint_.bytes.store(bytes, std::memory_order_relaxed);
  hint_.number.fetch_add(1, std::memory_order_release);
}

const std::byte* Team::expected(int thread) const {
  const std::byte* data = hint_.data.load(std::memory_order_relaxed);
  return data ? data + part_of(hint_.bytes.load(std::memory_order_relaxed), thread, size()).begin
              : nullptr;
}

bool Team::fetch_or_relax(int thread, Fetch& fetch) const {
  const uint32_t number = hint_.number.load(std::memory_order_acquire);
  if (fetch.number != number) {
    fetch.number = number;
    const Range share = part_of(hint_.bytes.load(std::memory_order_relaxed), thread, size());
    fetch.at = expected(thread);
    fetch.end = fetch.at + std::min(share.size(), kFetchBytes);
  }
  if (fetch.at >= fetch.end) {
    relax();
    return false;
  }
  for (int i = 0; i < kFetchLines && fetch.at < fetch.end; ++i, fetch.at += 64) {
    __builtin_prefetch(fetch.at, 0, 2);
  }
  return true;
}

/// The last of a group tells for all of it, the last of all groups wakes the caller.
void Team::arrive(int thread) {
  std::atomic<uint64_t>& absent = absent_[size_t(thread / kGroup)].value;
  if (absent.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
}

/// Takes the next piece of a thread's share in this round and returns its number. Counters of
/// earlier rounds start anew: whoever comes first sees to that, the thread itself or a helper.
int64_t Team::claim(int thread, uint32_t round) {
  std::atomic<uint64_t>& claimed = claimed_[size_t(thread)].value;
  const uint64_t fresh = uint64_t{round} << 32;
  uint64_t seen = claimed.load(std::memory_order_relaxed);
  while (seen >> 32 != round) {
    if (claimed.compare_exchange_weak(seen, fresh + 1, std::memory_order_relaxed)) return 0;
  }
  return int64_t(uint32_t(claimed.fetch_add(1, std::memory_order_relaxed)));
}

template <class Share>
void Team::take_pieces(int thread, int64_t grain, Share share, PieceBody body) {
  const auto round = uint32_t(round_.load(std::memory_order_relaxed));
  const Range group = group_of(thread);
  for (int64_t i = 0; i < group.size(); ++i) {
    const int owner = int(group.begin + (thread - group.begin + i) % group.size());
    if (plan_.node_of[size_t(owner)] != plan_.node_of[size_t(thread)]) continue;
    const Range own = share(owner);
    while (own.size() > 0) {
      const int64_t begin = own.begin + claim(owner, round) * grain;
      if (begin >= own.end) break;
      body({begin, std::min(begin + grain, own.end)}, thread);
    }
  }
}

void Team::parallel_for(int64_t n, int64_t grain, FunctionRef<void(Range, int)> body) {
  grain = std::max<int64_t>(grain, 1);
  if (n <= 0) return;
  if (workers_.empty() || n <= grain) return body({0, n}, 0);
  const auto share = [&](int t) { return part_of(n, t, size()); };
  run([&](int thread) { take_pieces(thread, grain, share, body); });
}

bool Team::has_owners(std::span<const int64_t> bounds) const {
  return plan_.n_nodes > 1 && int(bounds.size()) == plan_.n_nodes + 1;
}

Range Team::owned_share(std::span<const int64_t> bounds, int thread) const {
  if (has_owners(bounds)) return thread_share(plan_, bounds, thread);
  return part_of(bounds.back(), thread, size());
}

void Team::parallel_for_owned(std::span<const int64_t> bounds, int64_t grain,
                              FunctionRef<void(Range, int)> body) {
  if (!has_owners(bounds)) return parallel_for(bounds.back(), grain, body);
  grain = std::max<int64_t>(grain, 1);
  const auto share = [&](int thread) { return owned_share(bounds, thread); };
  run([&](int thread) { take_pieces(thread, grain, share, body); });
}

void Team::work(int thread) {
  if (const auto& cpus = plan_.cpus_of[size_t(thread)]; !cpus.empty()) pin_this_thread(cpus);
  int seen = 0;
  Fetch fetch;
  for (;;) {
    int spins = 0;
    while (round_.load(std::memory_order_acquire) == seen) {
      if (spins < kSpins) {
        spins += !fetch_or_relax(thread, fetch);
      } else {
        round_.wait(seen, std::memory_order_acquire);
      }
    }
    ++seen;
    if (stopping_.load()) return;
    (*body_)(thread);
    arrive(thread);
  }
}

Team& caller_alone() {
  static Team team(1);  // without workers nothing of it changes
  return team;
}

}  // namespace lowkey
