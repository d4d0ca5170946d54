// What this CPU and operating system can run, asked once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace lowkey {

struct CpuFeatures {
  bool avx2 = false;      // with FMA and F16C, and YMM state saved by the system
  bool avx_vnni = false;  // integer products of 256 bits
  bool avx512 = false;    // F, BW, DQ, VL and ZMM state saved by the system
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  bool avx512_vbmi = false;
  bool amx_int8 = false;  // with tile permission granted by the system
  bool amx_bf16 = false;
  bool neon = false;
  bool dotprod = false;
  bool i8mm = false;
};

/// Detected at first call; requests AMX tile permission for the process then.
const CpuFeatures& cpu_features();

/// Marketing name of the processor, or "unknown".
std::string cpu_name();

/// Numbers of the logical CPUs that this process may run on, rising. Asked once, before any thread
/// is pinned; keep_to_cpus() narrows it.
const std::vector<int>& allowed_cpus();
inline int cpu_count() { return int(allowed_cpus().size()); }

/// From now on the calling thread, and all that are started from it, run on `cpus` only.
/// kInvalidArgument (of `option`) where one of them is not allowed. Call before threads are
/// started.
Status keep_to_cpus(const std::vector<int>& cpus, const std::string& option);

/// Pins the calling thread to some CPUs of those allowed; to all of them if `cpus` is empty. What
/// the system refuses stays as it was: pins make nothing but speed.
void pin_this_thread(const std::vector<int>& cpus);

}  // namespace lowkey
