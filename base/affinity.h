// Where a thread may run, beside what cpu.h says of the whole process.
#pragma once

#include <vector>

namespace lowkey {

/// CPUs that the calling thread may run on now, rising.
std::vector<int> cpus_of_this_thread();

}  // namespace lowkey
