#include "models/model_hash.h"

#include <algorithm>

#include "base/sha256.h"

namespace lowkey::models {

namespace {

constexpr size_t kSample = 4096;  // bytes

void add_number(Sha256& hash, int64_t number) { hash.update(std::as_bytes(std::span(&number, 1))); }

void add_tensor(Sha256& hash, const TensorView& tensor) {
  add_number(hash, int64_t(tensor.dtype));
  add_number(hash, tensor.n_rows);
  add_number(hash, tensor.n_cols);
  const auto bytes = tensor.bytes;
  const size_t n = std::min(bytes.size(), kSample);
  hash.update(bytes.first(n));
  hash.update(bytes.subspan((bytes.size() - n) / 2, n));
  hash.update(bytes.last(n));
}

}  // namespace

std::string model_hash(const Model& model) {
  const ModelConfig& c = model.config;
  Sha256 hash;
  for (const int n :
       {c.n_layers, c.n_embd, c.n_heads, c.n_kv_heads, c.head_dim, c.n_ff, c.n_vocab}) {
    add_number(hash, n);
  }
  for (const LayerTensors& layer : model.layers) {
    for (const TensorView* t : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up,
                                &layer.down, &layer.attn_norm, &layer.ffn_norm}) {
      add_tensor(hash, *t);
    }
  }
  const auto digest = hash.finish();
  return to_hex(digest);
}

}  // namespace lowkey::models
