#include "simd/avxvnni/ops.h"

namespace lowkey::simd {

namespace avx2 {
const KernelSet& kernel_set();
}

namespace avxvnni {

const KernelSet& kernel_set() {
  static const KernelSet set = [] {
    KernelSet products = avx2::kernel_set();
    products.name = "avxvnni";
    products.supported = [](const CpuFeatures& cpu) { return cpu.avx_vnni; };
    products.matmul_quantized = matmul_quantized;
    products.attend = attend;
    products.latent_attend = latent_attend;
    return products;
  }();
  return set;
}

}  // namespace avxvnni
}  // namespace lowkey::simd
