#include <cstring>

#include "models/arch/dimensions.h"
#include "models/arch/family.h"
#include "models/arch/read_config.h"

namespace lowkey::models::arch {
namespace {

constexpr Keys kKeys = {
    .n_layers = "block_count",
    .n_embd = "embedding_length",
    .n_heads = "attention.head_count",
    .n_kv_heads = "attention.head_count_kv",
    .head_dim = "attention.key_length",
    .n_ff = "feed_forward_length",
    .n_context = "context_length",
    .norm_eps = "attention.layer_norm_rms_epsilon",
    .theta = "rope.freq_base",
};

const gguf::TensorInfo* find_tensor(const gguf::Directory& directory, std::string_view name) {
  for (const auto& tensor : directory.tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

Error unsupported(const Source& source, std::string what) {
  return make_error(ErrorCode::kUnsupported, source.where(), std::move(what));
}

/// Traits that some files of these families have and this build does not: named, not ignored.
Status refuse_foreign(const Source& source, const gguf::Metadata& metadata, int head_dim) {
  LK_ASSIGN(const int64_t n_split, metadata.get_i64_or("split.count", 1));
  if (n_split > 1) {
    return unsupported(source, "expected one GGUF file, found one of " + std::to_string(n_split) +
                                   " parts (merge them first)");
  }
  LK_ASSIGN(const auto n_experts, source.integer("expert_count"));
  if (n_experts.value_or(0) > 0) {
    return unsupported(source,
                       "expected a dense model, found " + std::to_string(*n_experts) + " experts");
  }
  LK_ASSIGN(const auto window, source.integer("attention.sliding_window"));
  if (window.value_or(0) > 0) {
    return unsupported(
        source, "expected full attention, found a sliding window of " + std::to_string(*window));
  }
  LK_ASSIGN(const auto value_length, source.integer("attention.value_length"));
  if (value_length.value_or(head_dim) != head_dim) {
    return unsupported(source, "expected values as long as keys (" + std::to_string(head_dim) +
                                   "), found " + std::to_string(*value_length));
  }
  return {};
}

Status read_rope(const Source& source, RopeConfig& rope) {
  LK_ASSIGN(rope.n_rot, source.count("rope.dimension_count", rope.n_rot, rope.n_rot));
  LK_ASSIGN(const auto type, source.text("rope.scaling.type"));
  const std::string kind = type.value_or("none");
  if (kind == "none") return {};
  if (kind != "linear") {
    return unsupported(source,
                       "expected rope.scaling.type 'none' or 'linear', found '" + kind + "'");
  }
  LK_ASSIGN(rope.linear_factor, source.positive("rope.scaling.factor", 1.0));
  return {};
}

/// Llama-3's scaling comes as a tensor of divisors, computed when the file was made.
Status read_frequency_factors(const gguf::Directory& directory, RopeConfig& rope) {
  const gguf::TensorInfo* tensor = find_tensor(directory, "rope_freqs.weight");
  if (!tensor) return {};
  const std::string where = directory.metadata.where() + ": tensor 'rope_freqs.weight'";
  if (tensor->dtype != DType::kF32) {
    return make_error(ErrorCode::kUnsupported, where,
                      "expected F32, found " + std::string(dtype_info(tensor->dtype).name));
  }
  if (tensor->shape.size() != 1 || tensor->shape[0] != rope.n_rot / 2) {
    return make_error(ErrorCode::kInvalidData, where,
                      "expected shape [" + std::to_string(rope.n_rot / 2) + "], found " +
                          std::to_string(tensor->bytes.size() / 4) + " elements");
  }
  rope.frequency_factors.resize(tensor->bytes.size() / sizeof(float));
  std::memcpy(rope.frequency_factors.data(), tensor->bytes.data(), tensor->bytes.size());
  return {};
}

/// The embedding decides: some files have no vocab_size, and some pad the matrix beyond it.
Result<int> read_vocab(const gguf::Directory& directory) {
  const gguf::TensorInfo* tensor = find_tensor(directory, "token_embd.weight");
  if (!tensor || tensor->shape.size() != 2 || tensor->shape[0] > kMaxVocab) {
    return make_error(ErrorCode::kInvalidData, directory.metadata.where(),
                      "tensor 'token_embd.weight': expected [n_vocab, n_embd] with n_vocab up to " +
                          std::to_string(kMaxVocab) + ", found " +
                          (tensor ? "another shape" : "none"));
  }
  return int(tensor->shape[0]);
}

}  // namespace

Result<ModelConfig> config_from_gguf(const gguf::Directory& directory) {
  const gguf::Metadata& metadata = directory.metadata;
  LK_ASSIGN(const auto name, metadata.get_string("general.architecture"));
  LK_ASSIGN(const Family* family, find_family(name, metadata.where()));
  const GgufSource source(metadata, family->name);

  ModelConfig config;
  config.family = family->name;
  LK_ASSIGN(config.name, metadata.get_string_or("general.name", family->name));
  LK_RETURN_IF_ERROR(read_dimensions(source, kKeys, config));
  LK_RETURN_IF_ERROR(refuse_foreign(source, metadata, config.head_dim));
  LK_ASSIGN(config.n_vocab, read_vocab(directory));
  LK_RETURN_IF_ERROR(read_rope(source, config.rope));
  config.rope.neighbours = family->gguf_neighbours;
  LK_RETURN_IF_ERROR(read_frequency_factors(directory, config.rope));

  const bool has_bias = find_tensor(directory, "blk.0.attn_q.bias") != nullptr;
  config.qkv_bias =
      family->qkv_bias == Bias::kAlways || (family->qkv_bias == Bias::kIfConfigured && has_bias);
  config.qk_norm = family->qk_norm;
  config.tied_output = !find_tensor(directory, "output.weight");
  LK_RETURN_IF_ERROR(check_dimensions(config, metadata.where()));
  return config;
}

}  // namespace lowkey::models::arch
