// Sines and cosines of rotary positions, grown as the context grows.
#pragma once

#include <vector>

#include "models/config.h"
#include "simd/latent_run.h"

namespace lowkey::engine {

/// Frequencies of the n_rot / 2 pairs, with every scaling of the config applied
/// (RoFormer eq. 15; Llama 3's low-frequency stretching; linear interpolation).
std::vector<double> rope_frequencies(const models::RopeConfig& rope);

class RopeTable {
 public:
  explicit RopeTable(const models::RopeConfig& rope);
  /// Makes positions [0, n) available. Not to be called while rows are in use.
  void reserve(int64_t n);
  /// cos [n_rot / 2], then sin [n_rot / 2], of one position.
  int n_rot() const { return n_rot_; }
  const float* row(int64_t position) const { return table_.data() + position * n_rot_; }
  /// The rows of the positions that are multiples of simd::kLatentChunk, transposed: coordinate i
  /// of the position and of those that follow it at data[i * stride]. Nothing of others.
  simd::ChunkStarts chunk_starts(int64_t position) const;

 private:
  void list_starts(int64_t n);

  std::vector<double> frequencies_;
  std::vector<float> table_;
  std::vector<float> starts_;  // [n_rot, starts_stride_]
  int64_t starts_stride_ = 0;
  int n_rot_ = 0;
};

}  // namespace lowkey::engine
