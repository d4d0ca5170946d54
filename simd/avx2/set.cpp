#include "simd/avx2/ops.h"

namespace lowkey::simd::avx2 {

const KernelSet& kernel_set() {
  static constexpr KernelSet kSet = {
      .name = "avx2",
      .supported = [](const CpuFeatures& cpu) { return cpu.avx2; },
      LK_FOR_EACH_OP(LK_SET_OP)  //
  };
  return kSet;
}

}  // namespace lowkey::simd::avx2
