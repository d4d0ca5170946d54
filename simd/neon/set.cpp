#include "simd/neon/ops.h"

namespace lowkey::simd::neon {

const KernelSet& kernel_set() {
  static constexpr KernelSet kSet = {
      .name = "neon",
      .supported = [](const CpuFeatures& cpu) { return cpu.neon && cpu.dotprod; },
      LK_FOR_EACH_OP(LK_SET_OP)  //
  };
  return kSet;
}

}  // namespace lowkey::simd::neon
