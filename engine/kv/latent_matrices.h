// The matrices of a latent space, as halves: a step of decode reads all of them from memory. Half
// precision has 11 bits; the codes behind it have 1 to 8.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "simd/latent_tile.h"

namespace lowkey::engine {

/// m as halves times the power of two that is returned: the largest entry comes to 2^13 or more, so
/// that all down to 2^-27 of it keep their 11 bits.
float to_halves(std::span<const float> m, uint16_t* out);

/// m [d, d] by columns: latent_project reads matrices transposed.
std::vector<float> transposed(const std::vector<float>& m, int d);

/// One matrix m [d, d]: z_i = sum over j of m[j, i] x_j.
class HalfMatrix {
 public:
  HalfMatrix() = default;
  HalfMatrix(std::span<const float> m, int d)
      : d_(d), entries_(m.size()), scale_(to_halves(m, entries_.data())) {}

  bool empty() const { return entries_.empty(); }
  int64_t bytes() const { return int64_t(entries_.size() * sizeof(uint16_t)); }
  simd::LatentEncoder encoder(const float* mean = nullptr) const {
    return {d_, d_, d_, entries_.data(), scale_, mean};
  }

 private:
  int d_ = 0;
  std::vector<uint16_t> entries_;
  float scale_ = 1.0f;
};

/// What passes through a matrix.
enum class LatentWay { kKeys, kValues, kQueries, kOutputs };
constexpr LatentWay kLatentWays[] = {LatentWay::kKeys, LatentWay::kValues, LatentWay::kQueries,
                                     LatentWay::kOutputs};

/// Those of a whole model, of a layer one behind the other in the order in which it reads them.
class LatentMatrices {
 public:
  static Result<LatentMatrices> create(int n_layers, int n_kv_heads, int d);

  /// m [d, d]: z_i = sum over j of m[j, i] x_j. `side`: of a layer and KV head (LatentCode::index).
  void set(LatentWay way, size_t side, std::span<const float> m);
  simd::LatentEncoder of(LatentWay way, size_t side, const float* mean = nullptr) const;
  /// Those of one layer.
  Result<LatentMatrices> layer(int layer) const;
  bool fits(int n_layers, int n_kv_heads, int d) const;

 private:
  size_t place(LatentWay way, size_t side) const;

  int n_heads_ = 0, d_ = 0;
  Buffer<uint16_t> entries_;
  std::vector<float> scales_;  // of the matrices, by place
};

}  // namespace lowkey::engine
