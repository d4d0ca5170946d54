#include <cmath>
#include <limits>
#include <vector>

#include "base/half.h"
#include "simd/scalar/ops.h"

namespace lowkey::simd::scalar {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

/// Code of element i of the blocks of one token. `at(byte)` finds a token's code byte.
template <class At>
int q4_code(int i, At at) {
  const int byte = i / 32 * 16 + i % 16;
  return (i % 32 < 16 ? at(byte) & 15 : at(byte) >> 4) - 8;
}

/// K coordinate i of token t of one tile.
double key(KvType type, const std::byte* part, int d, int i, int t) {
  const auto* floats = reinterpret_cast<const float*>(part);
  const auto* halves = reinterpret_cast<const uint16_t*>(part);
  if (type == KvType::kF32) return floats[i * kTileTokens + t];
  if (type == KvType::kF16) return f16_to_f32(halves[i * kTileTokens + t]);
  if (type == KvType::kBF16) return bf16_to_f32(halves[i * kTileTokens + t]);
  const double scale = f16_to_f32(halves[i / 32 * kTileTokens + t]);
  const auto* codes = reinterpret_cast<const uint8_t*>(halves + d / 32 * kTileTokens);
  if (type == KvType::kQ8_0) return scale * int8_t(codes[i * kTileTokens + t]);
  return scale * q4_code(i, [&](int byte) { return codes[byte * kTileTokens + t]; });
}

/// V coordinate i of token t of one tile.
double value(KvType type, const std::byte* part, int d, int i, int t) {
  const auto* floats = reinterpret_cast<const float*>(part);
  const auto* halves = reinterpret_cast<const uint16_t*>(part);
  if (type == KvType::kF32) return floats[t * d + i];
  if (type == KvType::kF16) return f16_to_f32(halves[t * d + i]);
  if (type == KvType::kBF16) return bf16_to_f32(halves[t * d + i]);
  const double scale = f16_to_f32(halves[t * (d / 32) + i / 32]);
  const auto* codes = reinterpret_cast<const uint8_t*>(halves + d / 32 * kTileTokens);
  if (type == KvType::kQ8_0) return scale * int8_t(codes[t * d + i]);
  return scale * q4_code(i, [&](int byte) { return codes[t * d / 2 + byte]; });
}

double score(KvType type, const KvRun& run, const float* q, int d, int token) {
  const std::byte* part = run.k + token / kTileTokens * run.tile_stride;
  double sum = 0;
  for (int i = 0; i < d; ++i) sum += q[i] * key(type, part, d, i, token % kTileTokens);
  return sum;
}

struct Softmax {
  double max = kNothing;
  double sum = 0;
};

/// out = keep * out + sum over the visible tokens of exp(score - max) * value.
void mix(KvType type, const KvRun& run, const QueryBlock& queries, int index, Softmax& s,
         float* out) {
  const float* q = queries.q + int64_t{index} * queries.d_k;
  const int begin = queries.begin[index], n = queries.end[index] - begin, d = queries.d_v;
  const double old_max = s.max;
  std::vector<double> weights(n);
  for (int t = 0; t < n; ++t) {
    weights[t] = score(type, run, q, queries.d_k, begin + t);
    s.max = std::fmax(s.max, weights[t]);
  }
  // The state holds floats: round the maximum first, so that sum and out belong to what is stored.
  s.max = float(s.max);
  if (s.max == kNothing) return;
  const double keep = std::exp(old_max - s.max);
  s.sum *= keep;
  for (double& weight : weights) s.sum += weight = std::exp(weight - s.max);
  for (int i = 0; i < d; ++i) {
    double sum = keep * out[i];
    for (int t = begin; t < begin + n; ++t) {
      const std::byte* part = run.v + t / kTileTokens * run.tile_stride;
      sum += weights[t - begin] * value(type, part, d, i, t % kTileTokens);
    }
    out[i] = float(sum);
  }
}

}  // namespace

void attend(KvType type, const KvRun& run, const QueryBlock& queries, const AttendState& state) {
  for (int index = 0; index < queries.n_queries; ++index) {
    if (queries.begin[index] >= queries.end[index]) continue;
    Softmax softmax{state.max[index], state.sum[index]};
    mix(type, run, queries, index, softmax, state.out + int64_t{index} * queries.d_v);
    state.max[index] = float(softmax.max);
    state.sum[index] = float(softmax.sum);
  }
}

}  // namespace lowkey::simd::scalar
