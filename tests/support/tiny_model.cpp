#include "tests/support/tiny_model.h"

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "models/safetensors/file.h"

namespace lowkey::testing {
namespace {

constexpr const char* kChatTemplate =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}";

std::string utf8(uint32_t code) {
  if (code < 0x80) return std::string(1, char(code));
  return {char(0xc0 | (code >> 6)), char(0x80 | (code & 0x3f))};
}

/// GPT-2's printable stand-in of each byte: itself, or the next free character from 256 on.
std::vector<std::string> byte_characters() {
  std::vector<std::string> out;
  uint32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    out.push_back(utf8(printable ? byte : next++));
  }
  return out;
}

void add_tokenizer(const TinySpec& spec, GgufWriter& writer) {
  constexpr int32_t kNormal = 1, kControl = 3, kUnused = 5;
  std::vector<std::string> tokens = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
  std::vector<int32_t> types(tokens.size(), kControl);
  for (const std::string& character : byte_characters()) tokens.push_back(character);
  for (const char* merged : {"he", "the", "\u0120the"}) tokens.push_back(merged);
  types.resize(tokens.size(), kNormal);
  LK_CHECK(size_t(spec.n_vocab) >= tokens.size(), "the vocabulary holds every byte");
  while (tokens.size() < size_t(spec.n_vocab)) {
    tokens.push_back("[PAD" + std::to_string(tokens.size()) + "]");
  }
  types.resize(tokens.size(), kUnused);
  writer.add_string("tokenizer.ggml.model", "gpt2");
  writer.add_string("tokenizer.ggml.pre", "gpt-2");
  writer.add_strings("tokenizer.ggml.tokens", tokens);
  writer.add_ints("tokenizer.ggml.token_type", types);
  writer.add_strings("tokenizer.ggml.merges", {"h e", "t he", "\u0120 the"});
  writer.add_u32("tokenizer.ggml.bos_token_id", 1);
  writer.add_u32("tokenizer.ggml.eos_token_id", 2);
  writer.add_bool("tokenizer.ggml.add_bos_token", false);
  writer.add_string("tokenizer.chat_template", kChatTemplate);
}

/// Rows of every head from (i, i + head_dim / 2) pairs to neighbours: row 2i + half of the result
/// is row half * head_dim / 2 + i.
std::vector<float> permuted(const TinyTensor& tensor, int head_dim) {
  std::vector<float> out;
  for (int64_t row = 0; row < tensor.n_rows; ++row) {
    const int64_t head = row / head_dim, i = row % head_dim;
    const int64_t from = head * head_dim + (i % 2) * (head_dim / 2) + i / 2;
    const auto begin = tensor.values.begin() + from * tensor.n_cols;
    out.insert(out.end(), begin, begin + tensor.n_cols);
  }
  return out;
}

bool is_float(DType dtype) { return dtype_info(dtype).block_elements == 1; }

std::string gguf_data(const TinySpec& spec, const TinyTensor& tensor, size_t index) {
  if (tensor.is_vector) return encode_floats(DType::kF32, tensor.values);
  if (!is_float(spec.dtype)) {
    return random_blocks(spec.dtype, tensor.n_rows * tensor.n_cols, spec.seed * 1000 + index);
  }
  const bool permute = tensor.rotated && spec.family == "llama";
  return encode_floats(spec.dtype, permute ? permuted(tensor, spec.head_dim) : tensor.values);
}

std::string class_name(const std::string& family) {
  if (family == "llama") return "LlamaForCausalLM";
  return family == "qwen2" ? "Qwen2ForCausalLM" : "Qwen3ForCausalLM";
}

}  // namespace

GgufWriter tiny_gguf_metadata(const TinySpec& spec) {
  GgufWriter writer;
  const std::string prefix = spec.family + ".";
  writer.add_string("general.architecture", spec.family);
  writer.add_string("general.name", "tiny " + spec.family);
  writer.add_u32(prefix + "block_count", uint32_t(spec.n_layers));
  writer.add_u32(prefix + "embedding_length", uint32_t(spec.n_embd));
  writer.add_u32(prefix + "feed_forward_length", uint32_t(spec.n_ff));
  writer.add_u32(prefix + "context_length", uint32_t(spec.n_context));
  writer.add_u32(prefix + "attention.head_count", uint32_t(spec.n_heads));
  writer.add_u32(prefix + "attention.head_count_kv", uint32_t(spec.n_kv_heads));
  writer.add_u32(prefix + "attention.key_length", uint32_t(spec.head_dim));
  writer.add_u32(prefix + "attention.value_length", uint32_t(spec.head_dim));
  writer.add_u32(prefix + "rope.dimension_count", uint32_t(spec.head_dim));
  writer.add_f32(prefix + "rope.freq_base", spec.theta);
  writer.add_f32(prefix + "attention.layer_norm_rms_epsilon", spec.norm_eps);
  if (spec.tokenizer) add_tokenizer(spec, writer);
  return writer;
}

void add_tiny_tensors(const TinySpec& spec, GgufWriter& writer) {
  size_t index = 0;
  for (const TinyTensor& tensor : tiny_tensors(spec)) {
    std::vector<uint64_t> dims = {uint64_t(tensor.n_cols)};
    if (!tensor.is_vector) dims.push_back(uint64_t(tensor.n_rows));
    writer.add_tensor(tensor.gguf_name, dims, tensor.is_vector ? DType::kF32 : spec.dtype,
                      gguf_data(spec, tensor, index++));
  }
}

std::string tiny_gguf(const TinySpec& spec) {
  GgufWriter writer = tiny_gguf_metadata(spec);
  add_tiny_tensors(spec, writer);
  return writer.bytes();
}

std::map<std::string, std::string> tiny_checkpoint(const TinySpec& spec) {
  const nlohmann::json config = {{"architectures", {class_name(spec.family)}},
                                 {"model_type", spec.family},
                                 {"num_hidden_layers", spec.n_layers},
                                 {"hidden_size", spec.n_embd},
                                 {"intermediate_size", spec.n_ff},
                                 {"num_attention_heads", spec.n_heads},
                                 {"num_key_value_heads", spec.n_kv_heads},
                                 {"head_dim", spec.head_dim},
                                 {"vocab_size", spec.n_vocab},
                                 {"max_position_embeddings", spec.n_context},
                                 {"rope_theta", spec.theta},
                                 {"rms_norm_eps", spec.norm_eps},
                                 {"hidden_act", "silu"},
                                 {"tie_word_embeddings", spec.tied_output}};
  const std::vector<TinyTensor> weights = tiny_tensors(spec);
  std::vector<models::safetensors::Tensor> tensors;
  for (const TinyTensor& weight : weights) {
    std::vector<int64_t> shape = {weight.n_rows, weight.n_cols};
    if (weight.is_vector) shape.erase(shape.begin());
    tensors.push_back({weight.hf_name, models::safetensors::ElementType::kF32, shape,
                       std::as_bytes(std::span(weight.values))});
  }
  auto bytes = models::safetensors::serialise({{"format", "pt"}}, tensors);
  LK_CHECK(bytes.ok(), "tiny tensors are well-formed");
  return {{"config.json", config.dump(2)}, {"model.safetensors", std::move(bytes).value()}};
}

}  // namespace lowkey::testing
