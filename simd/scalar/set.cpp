#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {

const KernelSet& kernel_set() {
  static constexpr KernelSet kSet = {
      .name = "scalar",
      .supported = [](const CpuFeatures&) { return true; },
      LK_FOR_EACH_OP(LK_SET_OP)  //
  };
  return kSet;
}

}  // namespace lowkey::simd::scalar
