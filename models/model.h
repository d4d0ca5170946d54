// A model file, opened and proven: configuration and views of its tensors. No arithmetic here.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/file_map.h"
#include "base/result.h"
#include "models/config.h"

namespace lowkey::models {

/// A weight matrix [n_rows, n_cols] (y = W x has n_rows entries), or a vector with n_rows = 1.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  int64_t n_rows = 0;
  int64_t n_cols = 0;
  std::span<const std::byte> bytes;  // row-major, exactly dtype_bytes(dtype, n_rows * n_cols)

  bool present() const { return !bytes.empty(); }
};

struct LayerTensors {
  TensorView attn_norm, q, k, v, o;
  TensorView q_bias, k_bias, v_bias;  // present if config.qkv_bias
  TensorView q_norm, k_norm;          // present if config.qk_norm
  TensorView ffn_norm, gate, up, down;
};

struct Model {
  ModelConfig config;
  TensorView token_embd;  // [n_vocab, n_embd]
  TensorView output_norm;
  TensorView output;  // token_embd again if config.tied_output
  std::vector<LayerTensors> layers;
  std::vector<FileMap> files;  // own the bytes of all views
  std::string path;
};

/// Opens a .gguf file, a .safetensors file, or a folder with config.json and *.safetensors.
/// Every missing or misshapen tensor is named in one error, with expected and found shape.
Result<Model> load_model(const std::string& path);

}  // namespace lowkey::models
