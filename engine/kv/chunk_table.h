// The phases of a chunk of tokens as few functions, for kernels that add a turned mean to scores.
#pragma once

#include <span>

#include "base/buffer.h"
#include "base/result.h"
#include "simd/latent_run.h"

namespace lowkey::engine {

/// Pairs 0 .. n - 1 that turn too fast within a chunk for polynomials.
int fast_pairs(std::span<const double> frequencies);

class ChunkTable {
 public:
  /// `frequencies`: radians per token of each pair, as the rotary table turns them.
  static Result<ChunkTable> create(std::span<const double> frequencies);
  const simd::ChunkPhases& phases() const { return phases_; }

 private:
  Buffer<float> functions_, slow_, middle_, reach_;
  simd::ChunkPhases phases_;
};

}  // namespace lowkey::engine
