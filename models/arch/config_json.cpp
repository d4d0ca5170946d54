#include <nlohmann/json.hpp>

#include "models/arch/dimensions.h"
#include "models/arch/family.h"
#include "models/arch/read_config.h"

namespace lowkey::models::arch {
namespace {

using nlohmann::json;

constexpr Keys kKeys = {
    .n_layers = "num_hidden_layers",
    .n_embd = "hidden_size",
    .n_heads = "num_attention_heads",
    .n_kv_heads = "num_key_value_heads",
    .head_dim = "head_dim",
    .n_ff = "intermediate_size",
    .n_context = "max_position_embeddings",
    .norm_eps = "rms_norm_eps",
    .theta = "rope_theta",
};

Error unsupported(const std::string& where, std::string what) {
  return make_error(ErrorCode::kUnsupported, where, std::move(what));
}

Status refuse_flag(const Source& source, const char* key) {
  LK_ASSIGN(const auto flag, source.flag(key));
  if (!flag.value_or(false)) return {};
  return unsupported(source.where(), std::string("'") + key + "': expected false, found true");
}

/// Traits that some files of these families have and this build does not: named, not ignored.
Status refuse_foreign(const Source& source, const json& object) {
  LK_RETURN_IF_ERROR(refuse_flag(source, "mlp_bias"));
  LK_RETURN_IF_ERROR(refuse_flag(source, "use_sliding_window"));
  LK_ASSIGN(const auto activation, source.text("hidden_act"));
  if (const std::string name = activation.value_or("silu"); name != "silu" && name != "swish") {
    return unsupported(source.where(), "'hidden_act': expected 'silu', found '" + name + "'");
  }
  LK_ASSIGN(const auto partial, source.number("partial_rotary_factor"));
  if (partial.value_or(1.0) != 1.0) {
    return unsupported(source.where(),
                       "'partial_rotary_factor': expected 1, found " + std::to_string(*partial));
  }
  if (object.contains("quantization_config") && !object["quantization_config"].is_null()) {
    return unsupported(source.where(), "expected float weights, found 'quantization_config'");
  }
  const auto types = object.find("layer_types");
  if (types == object.end() || !types->is_array()) return {};
  for (const json& type : *types) {
    if (type == "full_attention") continue;
    return unsupported(source.where(), "'layer_types': expected 'full_attention' in every layer");
  }
  return {};
}

Result<Llama3RopeScaling> read_llama3(const Source& source) {
  Llama3RopeScaling scaling;
  LK_ASSIGN(scaling.factor, source.positive("factor"));
  LK_ASSIGN(scaling.low_freq_factor, source.positive("low_freq_factor"));
  LK_ASSIGN(scaling.high_freq_factor, source.positive("high_freq_factor"));
  LK_ASSIGN(scaling.original_context, source.count("original_max_position_embeddings", 1 << 24));
  if (scaling.high_freq_factor > scaling.low_freq_factor) return scaling;
  return make_error(ErrorCode::kInvalidData, source.where(),
                    "expected high_freq_factor above low_freq_factor, found " +
                        std::to_string(scaling.high_freq_factor) + " and " +
                        std::to_string(scaling.low_freq_factor));
}

/// `key` is rope_scaling (transformers 4) or rope_parameters (5, which holds rope_theta as well).
Status read_rope(const json& object, const char* key, const std::string& where, RopeConfig& rope) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return {};
  const std::string place = where + ": " + key;
  if (!it->is_object()) {
    return make_error(ErrorCode::kInvalidData, place,
                      std::string("expected an object, found a JSON ") + it->type_name());
  }
  const JsonSource source(*it, place);
  LK_ASSIGN(rope.theta, source.positive("rope_theta", rope.theta));
  LK_ASSIGN(auto type, source.text("rope_type"));
  if (!type) {
    LK_ASSIGN(type, source.text("type"));
  }
  const std::string kind = type.value_or("default");
  if (kind == "default") return {};
  if (kind == "linear") {
    LK_ASSIGN(rope.linear_factor, source.positive("factor"));
    return {};
  }
  if (kind == "llama3") {
    LK_ASSIGN(rope.llama3, read_llama3(source));
    return {};
  }
  return unsupported(place,
                     "expected the type 'default', 'linear' or 'llama3', found '" + kind + "'");
}

}  // namespace

Result<ModelConfig> config_from_json(const json& object, const std::string& where,
                                     bool has_output) {
  const JsonSource source(object, where);
  LK_ASSIGN(const auto type, source.text("model_type"));
  LK_ASSIGN(const Family* family, find_family(type.value_or(""), where));

  ModelConfig config;
  config.family = family->name;
  config.name = family->name;
  LK_RETURN_IF_ERROR(read_dimensions(source, kKeys, config));
  LK_ASSIGN(config.n_vocab, source.count("vocab_size", kMaxVocab));
  LK_RETURN_IF_ERROR(refuse_foreign(source, object));
  LK_RETURN_IF_ERROR(read_rope(object, "rope_scaling", where, config.rope));
  LK_RETURN_IF_ERROR(read_rope(object, "rope_parameters", where, config.rope));

  LK_ASSIGN(const auto bias, source.flag("attention_bias"));
  config.qkv_bias = family->qkv_bias == Bias::kAlways ||
                    (family->qkv_bias == Bias::kIfConfigured && bias.value_or(false));
  config.qk_norm = family->qk_norm;
  LK_ASSIGN(const auto tied, source.flag("tie_word_embeddings"));
  config.tied_output = tied.value_or(!has_output);
  LK_RETURN_IF_ERROR(check_dimensions(config, where));
  return config;
}

}  // namespace lowkey::models::arch
