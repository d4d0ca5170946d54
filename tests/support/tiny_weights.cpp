#include <cstring>
#include <random>

#include "base/check.h"
#include "base/half.h"
#include "tests/support/tiny_model.h"

namespace lowkey::testing {
namespace {

uint64_t mixed(uint64_t seed, const std::string& name) {
  uint64_t h = seed * 0x9e3779b97f4a7c15;
  for (const char c : name) h = (h ^ uint8_t(c)) * 0x100000001b3;
  return h;
}

class Builder {
 public:
  explicit Builder(const TinySpec& spec) : spec_(spec) {}

  /// n_rows = 0 makes a vector.
  void add(const std::string& gguf, const std::string& hf, int64_t n_rows, int64_t n_cols,
           bool rotated = false) {
    TinyTensor tensor{gguf, hf, std::max<int64_t>(n_rows, 1), n_cols, n_rows == 0, rotated, {}};
    std::mt19937_64 random(mixed(spec_.seed, gguf));
    const bool norm = gguf.find("norm") != std::string::npos;
    for (int64_t i = 0; i < tensor.n_rows * n_cols; ++i) {
      const auto code = int(random() % 511) - 255;
      tensor.values.push_back(norm ? 1.0f + float(code / 8) / 128 : float(code) / 1024);
    }
    out_.push_back(std::move(tensor));
  }

  void add_layer(int layer) {
    const std::string g = "blk." + std::to_string(layer) + ".";
    const std::string h = "model.layers." + std::to_string(layer) + ".";
    const int64_t n_q = int64_t{spec_.n_heads} * spec_.head_dim;
    const int64_t n_kv = int64_t{spec_.n_kv_heads} * spec_.head_dim;
    add(g + "attn_norm.weight", h + "input_layernorm.weight", 0, spec_.n_embd);
    add(g + "attn_q.weight", h + "self_attn.q_proj.weight", n_q, spec_.n_embd, true);
    add(g + "attn_k.weight", h + "self_attn.k_proj.weight", n_kv, spec_.n_embd, true);
    add(g + "attn_v.weight", h + "self_attn.v_proj.weight", n_kv, spec_.n_embd);
    add(g + "attn_output.weight", h + "self_attn.o_proj.weight", spec_.n_embd, n_q);
    if (spec_.family == "qwen2") {
      add(g + "attn_q.bias", h + "self_attn.q_proj.bias", 0, n_q);
      add(g + "attn_k.bias", h + "self_attn.k_proj.bias", 0, n_kv);
      add(g + "attn_v.bias", h + "self_attn.v_proj.bias", 0, n_kv);
    }
    if (spec_.family == "qwen3") {
      add(g + "attn_q_norm.weight", h + "self_attn.q_norm.weight", 0, spec_.head_dim);
      add(g + "attn_k_norm.weight", h + "self_attn.k_norm.weight", 0, spec_.head_dim);
    }
    add(g + "ffn_norm.weight", h + "post_attention_layernorm.weight", 0, spec_.n_embd);
    add(g + "ffn_gate.weight", h + "mlp.gate_proj.weight", spec_.n_ff, spec_.n_embd);
    add(g + "ffn_up.weight", h + "mlp.up_proj.weight", spec_.n_ff, spec_.n_embd);
    add(g + "ffn_down.weight", h + "mlp.down_proj.weight", spec_.n_embd, spec_.n_ff);
  }

  std::vector<TinyTensor> take() { return std::move(out_); }

 private:
  const TinySpec& spec_;
  std::vector<TinyTensor> out_;
};

/// Where a block keeps its 16-bit scales, and the largest product of codes that d multiplies.
struct BlockScales {
  int first = 0;
  int n = 1;
  float largest_code = 1;
};

BlockScales block_scales(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0:
      return {0, 1, 128};
    case DType::kQ4_0:
      return {0, 1, 8};
    case DType::kQ4_1:
      return {0, 2, 15};
    case DType::kQ5_0:
      return {0, 1, 16};
    case DType::kQ5_1:
      return {0, 2, 31};
    case DType::kQ4_K:
      return {0, 2, 63 * 15};
    case DType::kQ5_K:
      return {0, 2, 63 * 31};
    case DType::kQ6_K:
      return {208, 1, 128 * 32};
    default:
      break;
  }
  LK_CHECK(false, "a float type has no blocks");
  return {};
}

}  // namespace

std::vector<TinyTensor> tiny_tensors(const TinySpec& spec) {
  Builder builder(spec);
  builder.add("token_embd.weight", "model.embed_tokens.weight", spec.n_vocab, spec.n_embd);
  for (int layer = 0; layer < spec.n_layers; ++layer) builder.add_layer(layer);
  builder.add("output_norm.weight", "model.norm.weight", 0, spec.n_embd);
  if (!spec.tied_output) {
    builder.add("output.weight", "lm_head.weight", spec.n_vocab, spec.n_embd);
  }
  return builder.take();
}

std::string encode_floats(DType dtype, const std::vector<float>& values) {
  std::string out;
  for (const float value : values) {
    if (dtype == DType::kF32) out += raw(value);
    if (dtype == DType::kF16) out += raw(f32_to_f16(value));
    if (dtype == DType::kBF16) out += raw(f32_to_bf16(value));
  }
  LK_CHECK(int64_t(out.size()) == dtype_bytes(dtype, int64_t(values.size())), "not a float type");
  return out;
}

std::string random_blocks(DType dtype, int64_t n, uint64_t seed) {
  const DTypeInfo info = dtype_info(dtype);
  LK_CHECK(n % info.block_elements == 0, "whole blocks only");
  const BlockScales scales = block_scales(dtype);
  std::mt19937_64 random(seed);
  std::string out(size_t(dtype_bytes(dtype, n)), '\0');
  for (char& c : out) c = char(random());
  for (size_t block = 0; block < out.size(); block += size_t(info.block_bytes)) {
    for (int i = 0; i < scales.n; ++i) {
      const float fraction = 0.5f + float(random() % 256) / 512;
      const float most =
          i == 0 ? 0.25f / scales.largest_code : (scales.largest_code > 31 ? 0.1f / 63 : -0.125f);
      const uint16_t bits = f32_to_f16(fraction * most);
      std::memcpy(out.data() + block + scales.first + 2 * i, &bits, sizeof bits);
    }
  }
  return out;
}

}  // namespace lowkey::testing
