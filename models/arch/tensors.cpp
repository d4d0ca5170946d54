#include "models/arch/tensors.h"

namespace lowkey::models::arch {
namespace {

enum class Extent { kOne, kEmbd, kQuery, kKeyValue, kHead, kFf };
enum class Trait { kAny, kBias, kQkNorm };  // the configuration that calls for the tensor

struct LayerTensor {
  TensorView LayerTensors::*place;
  const char* gguf;          // after "blk.N."
  const char* hugging_face;  // after "model.layers.N."
  Extent rows, cols;
  Trait trait = Trait::kAny;
};

using L = LayerTensors;
using E = Extent;
constexpr LayerTensor kLayer[] = {
    {&L::attn_norm, "attn_norm.weight", "input_layernorm.weight", E::kOne, E::kEmbd},
    {&L::q, "attn_q.weight", "self_attn.q_proj.weight", E::kQuery, E::kEmbd},
    {&L::k, "attn_k.weight", "self_attn.k_proj.weight", E::kKeyValue, E::kEmbd},
    {&L::v, "attn_v.weight", "self_attn.v_proj.weight", E::kKeyValue, E::kEmbd},
    {&L::o, "attn_output.weight", "self_attn.o_proj.weight", E::kEmbd, E::kQuery},
    {&L::q_bias, "attn_q.bias", "self_attn.q_proj.bias", E::kOne, E::kQuery, Trait::kBias},
    {&L::k_bias, "attn_k.bias", "self_attn.k_proj.bias", E::kOne, E::kKeyValue, Trait::kBias},
    {&L::v_bias, "attn_v.bias", "self_attn.v_proj.bias", E::kOne, E::kKeyValue, Trait::kBias},
    {&L::q_norm, "attn_q_norm.weight", "self_attn.q_norm.weight", E::kOne, E::kHead,
     Trait::kQkNorm},
    {&L::k_norm, "attn_k_norm.weight", "self_attn.k_norm.weight", E::kOne, E::kHead,
     Trait::kQkNorm},
    {&L::ffn_norm, "ffn_norm.weight", "post_attention_layernorm.weight", E::kOne, E::kEmbd},
    {&L::gate, "ffn_gate.weight", "mlp.gate_proj.weight", E::kFf, E::kEmbd},
    {&L::up, "ffn_up.weight", "mlp.up_proj.weight", E::kFf, E::kEmbd},
    {&L::down, "ffn_down.weight", "mlp.down_proj.weight", E::kEmbd, E::kFf},
};

int64_t extent(Extent which, const ModelConfig& config) {
  switch (which) {
    case Extent::kOne:
      return 1;
    case Extent::kEmbd:
      return config.n_embd;
    case Extent::kQuery:
      return config.n_q();
    case Extent::kKeyValue:
      return config.n_kv();
    case Extent::kHead:
      return config.head_dim;
    case Extent::kFf:
      return config.n_ff;
  }
  return 0;
}

bool wanted(Trait trait, const ModelConfig& config) {
  switch (trait) {
    case Trait::kAny:
      return true;
    case Trait::kBias:
      return config.qkv_bias;
    case Trait::kQkNorm:
      return config.qk_norm;
  }
  return false;
}

bool ends_with(const std::string& name, std::string_view end) {
  return std::string_view(name).ends_with(end);
}

}  // namespace

std::vector<ExpectedTensor> expected_tensors(Model& model, Naming naming) {
  const ModelConfig& config = model.config;
  const bool gguf = naming == Naming::kGguf;
  const int64_t n_vocab = config.n_vocab, n_embd = config.n_embd;
  std::vector<ExpectedTensor> out;
  out.push_back({gguf ? "token_embd.weight" : "model.embed_tokens.weight", n_vocab, n_embd,
                 &model.token_embd});
  for (size_t layer = 0; layer < model.layers.size(); ++layer) {
    const std::string prefix = (gguf ? "blk." : "model.layers.") + std::to_string(layer) + ".";
    for (const LayerTensor& tensor : kLayer) {
      if (!wanted(tensor.trait, config)) continue;
      out.push_back({prefix + (gguf ? tensor.gguf : tensor.hugging_face),
                     extent(tensor.rows, config), extent(tensor.cols, config),
                     &(model.layers[layer].*tensor.place)});
    }
  }
  out.push_back({gguf ? "output_norm.weight" : "model.norm.weight", 1, n_embd, &model.output_norm});
  if (!config.tied_output) {
    out.push_back({gguf ? "output.weight" : "lm_head.weight", n_vocab, n_embd, &model.output});
  }
  return out;
}

bool is_redundant_tensor(const std::string& name, const ModelConfig& config) {
  if (config.tied_output && (name == "output.weight" || name == "lm_head.weight")) return true;
  return name == "rope_freqs.weight" || ends_with(name, ".attn_rot_embd.weight") ||
         ends_with(name, ".attn_rot_embd") || ends_with(name, ".rotary_emb.inv_freq");
}

}  // namespace lowkey::models::arch
