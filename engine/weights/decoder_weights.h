// All weights of a decoder, packed once for the kernels.
#pragma once

#include <functional>
#include <vector>

#include "engine/weights/linear.h"
#include "engine/weights/screen.h"
#include "models/model.h"

namespace lowkey::engine {

struct LayerWeights {
  std::vector<float> attn_norm, ffn_norm;  // [n_embd]
  std::vector<float> qkv_bias;             // [rows of qkv], or empty
  std::vector<float> q_norm, k_norm;       // [head_dim], or empty
  Linear qkv;                              // rows: all query heads, key heads, value heads
  Linear o, gate_up, down;
};

struct DecoderWeights {
  Linear embedding;  // [n_vocab, n_embd]
  Linear output;     // empty (no rows) if the embedding serves as output
  Screen screen;     // of head(), or empty
  std::vector<float> output_norm;
  std::vector<LayerWeights> layers;

  const Linear& head() const { return output.n_rows() > 0 ? output : embedding; }
  int64_t bytes() const;
};

/// Packs tensor after tensor and lets go of each one's file pages, so that memory never holds
/// the weights twice. `progress(done, total)` may be empty.
Result<DecoderWeights> pack_decoder(const models::Model& model, Team& team,
                                    const std::function<void(int, int)>& progress);

/// A small tensor (a norm, a bias) as f32; F32, F16 and BF16.
Result<std::vector<float>> read_vector(const models::TensorView& tensor);

}  // namespace lowkey::engine
