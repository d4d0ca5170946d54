#include "base/cpu.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/affinity.h"
#include "base/cpu_list.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace lowkey {

namespace {

#if defined(__x86_64__)
uint64_t saved_state() {  // XCR0: which registers the system saves on a context switch
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

bool request_tiles() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

CpuFeatures detect() {
  CpuFeatures f;
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return f;
  const bool os_saves = c & bit_OSXSAVE, fma = c & bit_FMA, f16c = c & bit_F16C;
  if (!os_saves) return f;
  const uint64_t state = saved_state();
  const bool ymm = (state & 0x6) == 0x6, zmm = (state & 0xe6) == 0xe6;
  const bool tiles = (state & 0x60000) == 0x60000;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return f;
  f.avx2 = ymm && fma && f16c && (b & bit_AVX2);
  f.avx512 = f.avx2 && zmm && (b & bit_AVX512F) && (b & bit_AVX512BW) && (b & bit_AVX512DQ) &&
             (b & bit_AVX512VL);
  f.avx512_vnni = f.avx512 && (c & bit_AVX512VNNI);
  f.avx512_vbmi = f.avx512 && (c & bit_AVX512VBMI);
  const bool tile_bits = (d & (1u << 24)) != 0;
  const bool int8_bit = (d & (1u << 25)) != 0, bf16_bit = (d & (1u << 22)) != 0;
  if (tiles && tile_bits && f.avx512_vnni && request_tiles()) {
    f.amx_int8 = int8_bit;
    f.amx_bf16 = bf16_bit;
  }
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) {
    f.avx_vnni = f.avx2 && (a & (1u << 4));
    f.avx512_bf16 = f.avx512 && (a & (1u << 5));
  }
  return f;
}
#elif defined(__aarch64__)
CpuFeatures detect() {
  CpuFeatures f;
  f.neon = true;
  f.dotprod = getauxval(AT_HWCAP) & (1ul << 20);
  f.i8mm = getauxval(AT_HWCAP2) & (1ul << 13);
  return f;
}
#else
CpuFeatures detect() { return {}; }
#endif

constexpr int kMostCpus = 8192;

/// A CPU set of any size: the system's own type ends at 1,024.
class CpuSet {
 public:
  CpuSet() : set_(CPU_ALLOC(kMostCpus)) { CPU_ZERO_S(bytes(), set_); }
  ~CpuSet() { CPU_FREE(set_); }
  CpuSet(const CpuSet&) = delete;
  CpuSet& operator=(const CpuSet&) = delete;
  static size_t bytes() { return CPU_ALLOC_SIZE(kMostCpus); }
  cpu_set_t* get() { return set_; }
  void add(int cpu) { CPU_SET_S(size_t(cpu), bytes(), set_); }
  bool has(int cpu) const { return CPU_ISSET_S(size_t(cpu), bytes(), set_); }

 private:
  cpu_set_t* set_;
};

bool set_affinity(const std::vector<int>& cpus) {
  CpuSet set;
  for (const int cpu : cpus) {
    if (cpu >= 0 && cpu < kMostCpus) set.add(cpu);
  }
  return sched_setaffinity(0, CpuSet::bytes(), set.get()) == 0;
}

/// Never destroyed: workers of oneTBB look it up, and may outlive main().
std::vector<int>& mutable_allowed_cpus() {
  static auto& cpus = *new std::vector<int>(cpus_of_this_thread());
  return cpus;
}

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::vector<int> cpus_of_this_thread() {
  CpuSet set;
  if (sched_getaffinity(0, CpuSet::bytes(), set.get()) != 0) return {0};
  std::vector<int> cpus;
  for (int cpu = 0; cpu < kMostCpus; ++cpu) {
    if (set.has(cpu)) cpus.push_back(cpu);
  }
  return cpus;
}

const std::vector<int>& allowed_cpus() { return mutable_allowed_cpus(); }

Status keep_to_cpus(const std::vector<int>& cpus, const std::string& option) {
  const std::vector<int>& allowed = allowed_cpus();
  for (const int cpu : cpus) {
    if (std::binary_search(allowed.begin(), allowed.end(), cpu)) continue;
    return make_error(
        ErrorCode::kInvalidArgument, option,
        "expected some of the CPUs " + cpu_list_text(allowed) + ", found " + std::to_string(cpu));
  }
  if (cpus.empty()) return {};
  if (!set_affinity(cpus)) {
    return make_error(ErrorCode::kIo, option,
                      "the system refused to keep to the CPUs " + cpu_list_text(cpus));
  }
  mutable_allowed_cpus() = cpus;
  return {};
}

void pin_this_thread(const std::vector<int>& cpus) {
  set_affinity(cpus.empty() ? allowed_cpus() : cpus);
}

}  // namespace lowkey
