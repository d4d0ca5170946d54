// What one block carries from layer to layer.
#pragma once

#include "engine/decoder/decoder.h"

namespace lowkey::engine {

struct Decoder::Step {
  const Context& context;
  const RopeTable& rope;
  BlockScratch& scratch;  // whose sequences these are
  const LayerObserver* observer;
  std::span<const int64_t> positions;  // of the rows
  ActivationRows copies;               // of what meets the weights
  MatrixView<float> x;                 // [n, n_embd]
  MatrixView<float> normed;            // [n, n_embd]
  MatrixView<float> q, k, v;           // columns of one [n, q | k | v] matrix
  MatrixView<float> attended;          // [n, n_heads * head_dim]
  MatrixView<float> gate_up;           // [n, 2 n_ff]
  MatrixView<float> hidden;            // [n, n_ff]
};

}  // namespace lowkey::engine
