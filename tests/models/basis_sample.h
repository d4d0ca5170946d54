// A small sound basis file for tests of reader and writer.
#pragma once

#include "models/basis/basis.h"

namespace lowkey::testing {

/// Two layers, two KV heads of four coordinates; all numbers differ.
inline models::BasisFile sample_basis() {
  models::BasisFile file;
  file.method = "fisher";
  file.model_hash = std::string(64, '1');
  file.text_hash = std::string(64, '2');
  file.n_tokens = 16384;
  file.seed = 7;
  file.bits_per_element = 2.5;
  file.n_kv_heads = 2;
  file.head_dim = 4;
  float next = 0.5f;
  const auto numbers = [&](size_t n) {
    std::vector<float> out(n);
    for (float& value : out) value = next += 0.25f;
    return out;
  };
  for (int l = 0; l < 2; ++l) {
    models::LayerBasis layer;
    layer.k.sensitivity = 0.1 + l;
    layer.v.sensitivity = 1.0 / 3 + l;
    for (models::SideBasis* side : {&layer.k, &layer.v}) {
      for (int h = 0; h < 2; ++h) {
        side->heads.push_back({numbers(16),
                               numbers(16),
                               numbers(4),
                               numbers(4),
                               numbers(4),
                               {8, 4, 1, 0},
                               numbers(4)});
      }
    }
    file.layers.push_back(layer);
  }
  return file;
}

}  // namespace lowkey::testing
