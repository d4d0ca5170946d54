// Tiny random models in memory: the same weights as a GGUF file and as a safetensors checkpoint.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "tests/support/gguf_writer.h"

namespace lowkey::testing {

struct TinySpec {
  std::string family = "llama";  // "llama", "qwen2" (biases), "qwen3" (q/k norms)
  int n_layers = 2;
  int n_embd = 64;
  int n_heads = 4;
  int n_kv_heads = 2;
  int head_dim = 16;
  int n_ff = 96;
  int n_vocab = 320;  // at least 262: 256 bytes, 3 merges, 3 special tokens
  int n_context = 512;
  float theta = 10000.0f;
  float norm_eps = 1e-5f;
  bool tied_output = true;
  DType dtype = DType::kF32;  // of matrices in GGUF; vectors are always F32
  bool tokenizer = true;      // its pairs are in the GGUF file; else n_vocab may be smaller
  uint64_t seed = 1;
};

/// A weight in exact floats. Rows of q and k are in Hugging Face's order, whose rotated pairs are
/// (i, i + head_dim / 2).
struct TinyTensor {
  std::string gguf_name, hf_name;
  int64_t n_rows = 0;  // 1 and is_vector for norms and biases
  int64_t n_cols = 0;
  bool is_vector = false;
  bool rotated = false;  // llama's GGUF has its rows permuted
  std::vector<float> values;
};

/// Every tensor of the model. Values are multiples of 2^-10 below 1/2, hence exact in F16; they
/// depend on seed and name only.
std::vector<TinyTensor> tiny_tensors(const TinySpec& spec);

/// The metadata of the model with a byte-level BPE tokenizer, no tensors yet: tests add their own.
GgufWriter tiny_gguf_metadata(const TinySpec& spec);

/// Every tensor of tiny_tensors() in GGUF's order of rows.
void add_tiny_tensors(const TinySpec& spec, GgufWriter& writer);

/// The whole GGUF file. Quantised types get random blocks (see random_blocks), not the floats.
std::string tiny_gguf(const TinySpec& spec);

/// The checkpoint: "config.json" and "model.safetensors" (F32), by file name.
std::map<std::string, std::string> tiny_checkpoint(const TinySpec& spec);

/// `values` as F32, F16 or BF16.
std::string encode_floats(DType dtype, const std::vector<float>& values);

/// Random blocks of any quantised type for n elements (whole blocks), with scales so small that
/// every element is finite and below about 2 in size.
std::string random_blocks(DType dtype, int64_t n, uint64_t seed);

}  // namespace lowkey::testing
