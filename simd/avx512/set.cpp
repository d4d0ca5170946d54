#include "simd/avx512/ops.h"

namespace lowkey::simd::avx512 {

const KernelSet& kernel_set() {
  static constexpr KernelSet kSet = {
      .name = "avx512",
      .supported = [](const CpuFeatures& cpu) { return cpu.avx512 && cpu.avx512_vnni; },
      LK_FOR_EACH_OP(LK_SET_OP)  //
  };
  return kSet;
}

}  // namespace lowkey::simd::avx512
