#include "simd/scalar/kv_codes.h"
#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {
namespace {

void encode_floats(KvType type, const float* v, int d, int t, std::byte* part) {
  auto* words = reinterpret_cast<float*>(part) + t * d;
  auto* halves = reinterpret_cast<uint16_t*>(part) + t * d;
  for (int i = 0; i < d; ++i) {
    if (type == KvType::kF32) words[i] = v[i];
    if (type == KvType::kF16) halves[i] = f32_to_f16(v[i]);
    if (type == KvType::kBF16) halves[i] = f32_to_bf16(v[i]);
  }
}

}  // namespace

void encode_v(KvType type, const float* v, int d, int t, std::byte* part) {
  if (type < KvType::kQ8_0) return encode_floats(type, v, d, t, part);
  const int n_blocks = d / kKvBlock;
  auto* scales = reinterpret_cast<uint16_t*>(part);
  auto* codes = reinterpret_cast<uint8_t*>(scales + n_blocks * kTileTokens);
  for (int b = 0; b < n_blocks; ++b) {
    const bool is_q8 = type == KvType::kQ8_0;
    const KvBlock block = is_q8 ? encode_q8_0(v + b * kKvBlock) : encode_q4_0(v + b * kKvBlock);
    scales[t * n_blocks + b] = block.scale;
    for (int i = 0; is_q8 && i < kKvBlock; ++i) {
      codes[t * d + b * kKvBlock + i] = uint8_t(block.code[i]);
    }
    for (int i = 0; !is_q8 && i < kKvBlock / 2; ++i) {
      codes[(t * d + b * kKvBlock) / 2 + i] =
          uint8_t(block.code[i] | block.code[i + kKvBlock / 2] << 4);
    }
  }
}

}  // namespace lowkey::simd::scalar
