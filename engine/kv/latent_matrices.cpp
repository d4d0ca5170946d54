#include "engine/kv/latent_matrices.h"

#include <algorithm>
#include <cmath>

#include "base/half.h"

namespace lowkey::engine {

namespace {

constexpr int kWays = int(std::size(kLatentWays));
constexpr int kTopExponent = 14;  // halves end at 2^16

}  // namespace

float to_halves(std::span<const float> m, uint16_t* out) {
  float largest = 0.0f;
  for (const float x : m) largest = std::max(largest, std::fabs(x));
  int exponent = kTopExponent;
  if (largest > 0.0f) std::frexp(largest, &exponent);  // largest < 2^exponent
  const int shift = kTopExponent - exponent;
  std::transform(m.begin(), m.end(), out,
                 [&](float x) { return f32_to_f16(std::ldexp(x, shift)); });
  return std::ldexp(1.0f, -shift);
}

std::vector<float> transposed(const std::vector<float>& m, int d) {
  std::vector<float> t(m.size());
  for (int i = 0; i < d; ++i) {
    for (int j = 0; j < d; ++j) t[size_t(j * d + i)] = m[size_t(i * d + j)];
  }
  return t;
}

Result<LatentMatrices> LatentMatrices::create(int n_layers, int n_kv_heads, int d) {
  LatentMatrices out;
  out.n_heads_ = n_kv_heads;
  out.d_ = d;
  const int64_t n = int64_t{kWays} * n_layers * n_kv_heads;
  LK_ASSIGN(out.entries_, Buffer<uint16_t>::allocate(n * d * d, "matrices of the latent space"));
  out.scales_.assign(size_t(n), 1.0f);
  return out;
}

/// Keys and values of a head side by side, as one row enters; then queries, then outputs.
size_t LatentMatrices::place(LatentWay way, size_t side) const {
  const size_t n = size_t(n_heads_), head = side % n, first = side / n * kWays * n;
  if (way == LatentWay::kKeys || way == LatentWay::kValues) return first + 2 * head + size_t(way);
  return first + size_t(way) * n + head;
}

void LatentMatrices::set(LatentWay way, size_t side, std::span<const float> m) {
  const size_t at = place(way, side);
  scales_[at] = to_halves(m, entries_.data() + at * size_t(d_) * size_t(d_));
}

simd::LatentEncoder LatentMatrices::of(LatentWay way, size_t side, const float* mean) const {
  const size_t at = place(way, side);
  return {d_, d_, d_, entries_.data() + at * size_t(d_) * size_t(d_), scales_[at], mean};
}

Result<LatentMatrices> LatentMatrices::layer(int layer) const {
  LK_ASSIGN(LatentMatrices out, create(1, n_heads_, d_));
  const int64_t n = int64_t(out.scales_.size()), first = layer * n;
  std::copy_n(entries_.data() + first * d_ * d_, out.entries_.size(), out.entries_.data());
  std::copy_n(scales_.begin() + first, n, out.scales_.begin());
  return out;
}

bool LatentMatrices::fits(int n_layers, int n_kv_heads, int d) const {
  return n_heads_ == n_kv_heads && d_ == d &&
         scales_.size() == size_t(kWays) * size_t(n_layers) * size_t(n_kv_heads);
}

}  // namespace lowkey::engine
