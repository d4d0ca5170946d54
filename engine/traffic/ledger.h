// The ledger of one step: every byte that it moves and every product that it adds up, by what they
// are for. Decode steps read all weights and all cached tokens once; that is what a machine's
// memory can be asked about before anything is run.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "engine/kv/layout.h"
#include "engine/kv/spec.h"
#include "engine/weights/decoder_weights.h"
#include "models/config.h"

namespace lowkey::engine {

/// Bytes and elements of the weights that every step reads.
struct WeightTraffic {
  double layer_bytes = 0;  // all matrices of all layers
  double head_bytes = 0;   // the vocabulary projection
  double layer_elements = 0;
  double head_elements = 0;
  double screen_bytes = 0;  // its coarse copy (engine/weights/screen.h); 0: none

  double bytes() const { return layer_bytes + head_bytes; }
};

/// Of weights as they were packed.
WeightTraffic weight_traffic(const models::ModelConfig& config, const DecoderWeights& weights);
/// Of a model that is only a shape: every matrix with `bits` per element, scales included.
WeightTraffic weight_traffic(const models::ModelConfig& config, double bits);
/// Elements of all tensors, an untied embedding included.
double n_parameters(const models::ModelConfig& config);

/// What one cached token costs: the parts of layout.coded_bytes_per_token, which they sum to.
struct CacheTraffic {
  KvLayout layout;
  double k_codes = 0;
  double v_codes = 0;
  double gains = 0;           // gains of latents, scales of blocks
  double coordinates = 0;     // K and V together, over all layers and KV heads
  bool carries_rows = false;  // queries, keys, values and outputs pass through a basis
};

/// Of a cache that can be opened on this model; an error where it cannot.
Result<CacheTraffic> cache_traffic(const models::ModelConfig& config, const CacheSpec& spec);
/// Of a latent cache of `bits` per element, gains included, with 4 sinks and a window of 32: a
/// budget, not yet a basis.
Result<CacheTraffic> latent_traffic(const models::ModelConfig& config, double bits);

/// One step: `batch` sequences, each with `depth` tokens cached before it, each given `n_tokens`.
struct StepShape {
  int64_t depth = 0;
  int64_t n_tokens = 1;
  int64_t batch = 1;
  bool all_wanted = false;  // the outcome of all tokens, not of each sequence's last alone
  int64_t top_k = 0;        // the best logits of each sequence; 0: all
  int64_t n_rows() const { return n_tokens * batch; }
  int64_t n_wanted() const { return all_wanted ? n_tokens : 1; }  // of each sequence
};

struct Ledger {
  double weights = 0;
  double k_codes = 0, v_codes = 0, gains = 0;
  double exact = 0;        // tokens kept exact, read instead of their codes
  double written = 0;      // the new tokens' codes and exact copies
  double activations = 0;  // written and read again between the operations of a layer
  double logits = 0;
  double weight_products = 0;
  double attend_products = 0;  // scores, sums of values
  double carry_products = 0;   // rows through a basis
  // How attention is cut among threads (engine/attend/split.h):
  double attend_tasks = 0;  // of a layer
  double longest_task = 0;  // its share of all tokens that a layer's tasks read

  double kv() const { return k_codes + v_codes + gains + exact; }
  double bytes() const { return weights + kv() + written + activations + logits; }
};

Ledger step_ledger(const models::ModelConfig& config, const WeightTraffic& weights,
                   const CacheTraffic& cache, const StepShape& step);

}  // namespace lowkey::engine
