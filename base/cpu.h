// What this CPU and operating system can run, asked once.
#pragma once

#include <cstdint>
#include <string>

namespace lowkey {

struct CpuFeatures {
  bool avx2 = false;    // with FMA and F16C, and YMM state saved by the system
  bool avx512 = false;  // F, BW, DQ, VL and ZMM state saved by the system
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

/// Logical CPUs this process may run on.
int cpu_count();

}  // namespace lowkey
