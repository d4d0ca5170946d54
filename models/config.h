// What a decoder-only model looks like: dimensions, heads, rotation, norms. Every family is
// described by these fields; the engine asks them, never the family's name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lowkey::models {

/// Llama-3's stretching of low rotary frequencies.
struct Llama3RopeScaling {
  float factor = 8.0f;
  float low_freq_factor = 1.0f;
  float high_freq_factor = 4.0f;
  int original_context = 8192;
};

struct RopeConfig {
  float theta = 10000.0f;
  int n_rot = 0;               // leading coordinates of a head that rotate (head_dim for llama)
  bool neighbours = false;     // pairs (2i, 2i+1) as in GGUF's llama tensors; else (i, i + n_rot/2)
  float linear_factor = 1.0f;  // positions are divided by it
  std::optional<Llama3RopeScaling> llama3;
  std::vector<float> frequency_factors;  // [n_rot / 2] divisors of the frequencies, or empty
};

struct ModelConfig {
  std::string family;  // "llama", "qwen2", "qwen3"
  std::string name;
  int n_layers = 0;
  int n_embd = 0;
  int n_heads = 0;
  int n_kv_heads = 0;
  int head_dim = 0;
  int n_ff = 0;
  int n_vocab = 0;
  int n_context = 0;  // longest context of its training
  float norm_eps = 1e-5f;
  RopeConfig rope;
  bool qkv_bias = false;  // qwen2
  bool qk_norm = false;   // qwen3: RMSNorm of every q and k head before RoPE
  bool tied_output = false;

  int group() const { return n_heads / n_kv_heads; }               // query heads per KV head
  int64_t n_q() const { return int64_t{n_heads} * head_dim; }      // coordinates of all queries
  int64_t n_kv() const { return int64_t{n_kv_heads} * head_dim; }  // of all keys, or all values
};

}  // namespace lowkey::models
