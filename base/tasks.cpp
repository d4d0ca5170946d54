#include "base/tasks.h"

#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_scheduler_observer.h>

#include <utility>

#include "base/affinity.h"
#include "base/cpu.h"

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace lowkey {

namespace {

/// ThreadSanitizer sees neither fork nor join inside oneTBB's library: it is told of both.
struct Handover {
  [[maybe_unused]] char token = 0;
  void give() {
#ifdef __SANITIZE_THREAD__
    __tsan_release(&token);
#endif
  }
  void take() {
#ifdef __SANITIZE_THREAD__
    __tsan_acquire(&token);
#endif
  }
};
Handover forked, joined;

/// oneTBB's workers inherit the pin of whoever started them, a team's thread perhaps.
class FreeWorkers : public oneapi::tbb::task_scheduler_observer {
 public:
  explicit FreeWorkers(oneapi::tbb::task_arena& arena) : task_scheduler_observer(arena) {
    observe(true);
  }
  ~FreeWorkers() override { observe(false); }
  void on_scheduler_entry(bool is_worker) override {
    thread_local bool freed = false;
    if (is_worker && !std::exchange(freed, true)) pin_this_thread({});
  }
};

/// oneTBB counts, once, the CPUs that its first caller may use: all of them should count.
int n_workers_at_most() {
  const std::vector<int> before = cpus_of_this_thread();
  pin_this_thread({});
  const int n = oneapi::tbb::info::default_concurrency();
  pin_this_thread(before);
  return n;
}

}  // namespace

void for_each_task(int n_threads, int64_t n, FunctionRef<void(int64_t)> body) {
  [[maybe_unused]] static const int n_most = n_workers_at_most();
  oneapi::tbb::task_arena arena(n_threads);
  const FreeWorkers observer(arena);
  const auto task = [&](int64_t i) {
    forked.take();
    body(i);
    joined.give();
  };
  forked.give();
  arena.execute([&] { oneapi::tbb::parallel_for(int64_t{0}, n, task); });
  joined.take();
}

}  // namespace lowkey
