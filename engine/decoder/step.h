// What one block carries from layer to layer.
#pragma once

#include "engine/decoder/decoder.h"

namespace lowkey::engine {

struct Decoder::Step {
  const Context& context;
  const RopeTable& rope;
  BlockScratch& scratch;  // whose sequences these are
  const LayerObserver* observer;
  MatrixView<float> x;         // [n, n_embd]
  MatrixView<float> normed;    // [n, n_embd]
  MatrixView<float> q, k, v;   // columns of one [n, q | k | v] matrix
  MatrixView<float> attended;  // [n, n_heads * head_dim]
};

}  // namespace lowkey::engine
