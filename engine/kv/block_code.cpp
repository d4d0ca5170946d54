#include "engine/kv/block_code.h"

#include <algorithm>
#include <cmath>

#include "base/half.h"

namespace lowkey::engine {

namespace {

constexpr size_t kBlock = 32;
constexpr float kMaxHalf = 65504;

void round_block(float* x, int width) {
  const float half = float(1 << (width - 1));
  float largest = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
  }
  const float scale = std::clamp(largest / -half, -kMaxHalf, kMaxHalf);
  const float stored = f16_to_f32(f32_to_f16(scale));
  const float inverse = stored == 0.0f ? 0.0f : 1.0f / scale;
  for (size_t i = 0; i < kBlock; ++i) {
    const float code = std::clamp(std::floor(x[i] * inverse + half + 0.5f), 0.0f, 2 * half - 1);
    x[i] = (code - half) * stored;
  }
}

void round_rows(MatrixView<float> x, int width) {
  for (int64_t i = 0; i < x.rows; ++i) round_blocks({x.row(i), size_t(x.cols)}, width);
}

}  // namespace

void round_blocks(std::span<float> x, int width) {
  for (size_t i = 0; i < x.size(); i += kBlock) round_block(x.data() + i, width);
}

std::optional<CacheSpec> hadamard_control(std::string_view name) {
  constexpr std::string_view kPattern = "hadamard-k?v?";
  if (name.size() != kPattern.size()) return {};
  int widths[2] = {}, n = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    if (kPattern[i] != '?' && name[i] != kPattern[i]) return {};
    if (kPattern[i] != '?') continue;
    if (name[i] < '2' || name[i] > '4') return {};
    widths[n++] = name[i] - '0';
  }
  CacheSpec spec;
  spec.hadamard = true;
  spec.codec = [k_width = widths[0], v_width = widths[1]](int, int64_t, MatrixView<float> k,
                                                          MatrixView<float> v) {
    round_rows(k, k_width);
    round_rows(v, v_width);
  };
  spec.codec_name = name;
  spec.codec_bits_k = block_bits(widths[0]);
  spec.codec_bits_v = block_bits(widths[1]);
  return spec;
}

}  // namespace lowkey::engine
