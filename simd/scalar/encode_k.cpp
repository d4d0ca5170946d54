#include "simd/scalar/kv_codes.h"
#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {
namespace {

void encode_floats(KvType type, const float* k, int d, int t, std::byte* part) {
  auto* words = reinterpret_cast<float*>(part);
  auto* halves = reinterpret_cast<uint16_t*>(part);
  for (int i = 0; i < d; ++i) {
    const int at = i * kTileTokens + t;
    if (type == KvType::kF32) words[at] = k[i];
    if (type == KvType::kF16) halves[at] = f32_to_f16(k[i]);
    if (type == KvType::kBF16) halves[at] = f32_to_bf16(k[i]);
  }
}

}  // namespace

void encode_k(KvType type, const float* k, int d, int t, std::byte* part) {
  if (type < KvType::kQ8_0) return encode_floats(type, k, d, t, part);
  const int n_blocks = d / kKvBlock;
  auto* scales = reinterpret_cast<uint16_t*>(part);
  auto* codes = reinterpret_cast<uint8_t*>(scales + n_blocks * kTileTokens);
  for (int b = 0; b < n_blocks; ++b) {
    const bool is_q8 = type == KvType::kQ8_0;
    const KvBlock block = is_q8 ? encode_q8_0(k + b * kKvBlock) : encode_q4_0(k + b * kKvBlock);
    scales[b * kTileTokens + t] = block.scale;
    for (int i = 0; is_q8 && i < kKvBlock; ++i) {
      codes[(b * kKvBlock + i) * kTileTokens + t] = uint8_t(block.code[i]);
    }
    for (int i = 0; !is_q8 && i < kKvBlock / 2; ++i) {
      codes[(b * kKvBlock / 2 + i) * kTileTokens + t] =
          uint8_t(block.code[i] | block.code[i + kKvBlock / 2] << 4);
    }
  }
}

}  // namespace lowkey::simd::scalar
