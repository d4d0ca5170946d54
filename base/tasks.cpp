#include "base/tasks.h"

#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

namespace lowkey {

void for_each_task(int n_threads, int64_t n, FunctionRef<void(int64_t)> body) {
  oneapi::tbb::task_arena arena(n_threads);
  arena.execute([&] { oneapi::tbb::parallel_for(int64_t{0}, n, [&](int64_t i) { body(i); }); });
}

}  // namespace lowkey
