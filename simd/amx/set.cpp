#include "simd/amx/ops.h"

namespace lowkey::simd {

namespace avx512 {
const KernelSet& kernel_set();
}

namespace amx {

const KernelSet& kernel_set() {
  static const KernelSet set = [] {
    KernelSet tiles = avx512::kernel_set();
    tiles.name = "amx";
    tiles.supported = [](const CpuFeatures& cpu) {
      return cpu.amx_int8 && cpu.amx_bf16 && cpu.avx512_vnni && cpu.avx512_bf16;
    };
    tiles.fast_bf16 = true;
    tiles.matmul_quantized = matmul_quantized;
    tiles.round_bf16 = round_bf16;
    tiles.matmul_bf16 = matmul_bf16;
    tiles.attend = attend;
    tiles.latent_project = latent_project;
    tiles.latent_attend = latent_attend;
    return tiles;
  }();
  return set;
}

}  // namespace amx
}  // namespace lowkey::simd
