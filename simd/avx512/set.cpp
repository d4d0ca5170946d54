#include "simd/avx512/ops.h"

namespace lowkey::simd::avx512 {

const KernelSet& kernel_set() {
  static constexpr KernelSet kSet = {
      .name = "avx512",
      .supported = [](const CpuFeatures& cpu) { return cpu.avx512 && cpu.avx512_vnni; },
      .quantize = quantize,
      .matmul_quantized = matmul_quantized,
      .matmul_float = matmul_float,
      .unpack_f32 = unpack_f32,
      .unpack_bf16 = unpack_bf16,
      .rms_norm = rms_norm,
      .rope = rope,
      .swiglu = swiglu,
      .add = add,
      .dot = dot,
      .softmax = softmax,
      .hadamard = hadamard,
      .encode_k = encode_k,
      .encode_v = encode_v,
      .attend = attend,
      .latent_project = latent_project,
      .latent_encode_k = latent_encode_k,
      .latent_encode_v = latent_encode_v,
      .latent_attend = latent_attend,
  };
  return kSet;
}

}  // namespace lowkey::simd::avx512
