// The latent code of a whole model, ready for the kernels: for every layer, KV head and side the
// encoder, the decoder, and what each coordinate is stored with.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "engine/kv/chunk_table.h"
#include "engine/kv/latent_matrices.h"
#include "engine/kv/tiles.h"
#include "models/config.h"
#include "simd/latent_tile.h"

namespace lowkey::engine {

/// One side (K or V) of one head: z = E (x - mean), x^ = D z^ + mean. Keys with a turned mean
/// R_n mu keep it when they are exact; only their codes do without it.
struct LatentSideCode {
  int d = 0;
  std::vector<float> mean;       // [d]
  std::vector<uint8_t> widths;   // of groups of 4 stored coordinates
  std::vector<float> steps;      // of stored coordinates
  std::vector<float> variances;  // [d] of z, which adaptation starts from; empty: unknown

  simd::LatentPlan plan() const { return {int(steps.size()), widths.data(), steps.data()}; }
};

struct LatentCode {
  int n_layers = 0;
  int n_kv_heads = 0;
  int head_dim = 0;
  std::shared_ptr<const ChunkTable> phases;        // set: the means of keys turn
  std::shared_ptr<const LatentMatrices> matrices;  // E and D of all
  std::vector<LatentSideCode> k, v;                // [n_layers * n_kv_heads]

  size_t index(int layer, int head) const { return size_t(layer * n_kv_heads + head); }
  std::vector<TileShape> shapes(int layer) const;
};

/// kInvalidData where a code does not have the model's dimensions or a plan is not storable.
Status check_latent_code(const LatentCode& code, const models::ModelConfig& config);

}  // namespace lowkey::engine
