#include "simd/select.h"

#include <cstdlib>
#include <string>

namespace lowkey::simd {

#define LK_DECLARE_SET(ns)       \
  namespace ns {                 \
  const KernelSet& kernel_set(); \
  }
LK_DECLARE_SET(scalar)
LK_DECLARE_SET(avx2)
LK_DECLARE_SET(avxvnni)
LK_DECLARE_SET(avx512)
LK_DECLARE_SET(amx)
LK_DECLARE_SET(neon)
#undef LK_DECLARE_SET

std::span<const KernelSet* const> all_kernel_sets() {
  static const KernelSet* const sets[] = {
#ifdef LOWKEY_HAVE_AMX
      &amx::kernel_set(),
#endif
#ifdef LOWKEY_HAVE_AVX512
      &avx512::kernel_set(),
#endif
#ifdef LOWKEY_HAVE_AVXVNNI
      &avxvnni::kernel_set(),
#endif
#ifdef LOWKEY_HAVE_AVX2
      &avx2::kernel_set(),
#endif
#ifdef LOWKEY_HAVE_NEON
      &neon::kernel_set(),
#endif
      &scalar::kernel_set(),
  };
  return sets;
}

Result<const KernelSet*> select_kernel_set(std::string_view name) {
  std::string where = "--isa";
  if (name.empty() || name == "auto") {
    const char* forced = std::getenv("LOWKEY_ISA");
    name = forced ? forced : "auto";
    where = "LOWKEY_ISA";
  }
  std::string runnable;
  bool known = false;
  for (const KernelSet* set : all_kernel_sets()) {
    const bool runs = set->supported(cpu_features());
    if (runs && (name == set->name || name == "auto" || name.empty())) return set;
    known |= name == set->name;
    if (runs) runnable += (runnable.empty() ? "" : ", ") + std::string(set->name);
  }
  return make_error(
      ErrorCode::kInvalidArgument, where,
      std::string(known ? "this CPU or system cannot run kernel set '" : "unknown kernel set '") +
          std::string(name) + "'; expected one of: auto, " + runnable);
}

}  // namespace lowkey::simd
