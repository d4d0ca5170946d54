#include "base/tasks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace lowkey {
namespace {

TEST(Tasks, EveryTaskRunsExactlyOnce) {
  for (int n_threads = 1; n_threads <= 4; ++n_threads) {
    for (const int64_t n : {0, 1, 5, 1000}) {
      std::vector<int> visits(size_t(n), 0);
      for_each_task(n_threads, n, [&](int64_t i) { ++visits[size_t(i)]; });
      for (const int v : visits) ASSERT_EQ(v, 1) << "threads " << n_threads << " tasks " << n;
    }
  }
}

TEST(Tasks, UsesNoMoreThreadsThanAllowed) {
  for (int n_threads = 1; n_threads <= 3; ++n_threads) {
    std::mutex mutex;
    std::set<std::thread::id> ids;
    for_each_task(n_threads, 500, [&](int64_t) {
      const std::lock_guard lock(mutex);
      ids.insert(std::this_thread::get_id());
    });
    EXPECT_LE(int(ids.size()), n_threads);
    EXPECT_GE(int(ids.size()), 1);
  }
}

}  // namespace
}  // namespace lowkey
