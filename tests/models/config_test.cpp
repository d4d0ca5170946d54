// Configurations from GGUF and config.json: traits read, impossible numbers and strangers refused.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "models/arch/read_config.h"
#include "tests/support/bytes.h"
#include "tests/support/tiny_model.h"

namespace lowkey::models::arch {
namespace {

using lowkey::testing::gguf_string;
using lowkey::testing::GgufWriter;
using lowkey::testing::raw;
using lowkey::testing::TinySpec;
using nlohmann::json;

Result<ModelConfig> config_of(const GgufWriter& writer) {
  const auto bytes = lowkey::testing::exact_bytes(writer.bytes());
  const auto directory = gguf::parse(bytes, "x.gguf");
  if (!directory.ok()) return directory.error();
  return config_from_gguf(*directory);
}

GgufWriter tiny(const TinySpec& spec = {}) {
  GgufWriter writer = lowkey::testing::tiny_gguf_metadata(spec);
  lowkey::testing::add_tiny_tensors(spec, writer);
  return writer;
}

TEST(ConfigGguf, NamesTheFamiliesWhenItMeetsAStranger) {
  GgufWriter writer = tiny();
  writer.replace("general.architecture", 8, gguf_string("gemma3"));
  const auto config = config_of(writer);
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(config.error().message(),
            "x.gguf: expected a model family among llama, qwen2, qwen3, found 'gemma3'");
}

TEST(ConfigGguf, ReadsScalingFactorsAndBiases) {
  GgufWriter writer = tiny();
  writer.add_string("llama.rope.scaling.type", "linear");
  writer.add_f32("llama.rope.scaling.factor", 4.0f);
  std::string factors;
  for (int i = 1; i <= 8; ++i) factors += raw(float(i));
  writer.add_tensor("rope_freqs.weight", {8}, DType::kF32, factors);
  writer.add_tensor("blk.0.attn_q.bias", {64}, DType::kF32, std::string(256, '\0'));
  const auto config = config_of(writer);
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->rope.linear_factor, 4.0f);
  EXPECT_EQ(config->rope.frequency_factors, (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_TRUE(config->qkv_bias);
}

TEST(ConfigGguf, RefusesFrequencyFactorsThatCannotBe) {
  for (const uint64_t n : {7, 8}) {  // too few; all zero
    GgufWriter writer = tiny();
    writer.add_tensor("rope_freqs.weight", {n}, DType::kF32, std::string(n * 4, '\0'));
    EXPECT_FALSE(config_of(writer).ok()) << n;
  }
  GgufWriter writer = tiny();
  writer.add_tensor("rope_freqs.weight", {8}, DType::kF16, std::string(16, '\0'));
  EXPECT_EQ(config_of(writer).error().code, ErrorCode::kUnsupported);
}

struct BadPair {
  const char* key;
  uint32_t type;
  std::string payload;
  const char* message;  // a part of it
};

TEST(ConfigGguf, RefusesNumbersThatCannotBe) {
  const BadPair kPairs[] = {
      {"llama.block_count", 4, raw(0u), "'block_count': expected a number from 1 to 1024, found 0"},
      {"llama.block_count", 4, raw(100'000u), "from 1 to 1024, found 100000"},
      {"llama.block_count", 8, gguf_string("2"), "expected an integer below 2^63, found string"},
      {"llama.attention.head_count", 4, raw(3u), "multiple of the KV heads, found 3 and 2"},
      {"llama.attention.key_length", 4, raw(15u), "found 16"},
      {"llama.attention.value_length", 4, raw(8u), "values as long as keys (16), found 8"},
      {"llama.rope.dimension_count", 4, raw(7u), "even number of rotated coordinates"},
      {"llama.rope.dimension_count", 4, raw(18u), "from 1 to 16, found 18"},
      {"llama.rope.freq_base", 6, raw(-1.0f), "'rope.freq_base': expected a finite positive"},
      {"llama.attention.layer_norm_rms_epsilon", 6, raw(0x7fc00000u), "finite positive number"},
      {"llama.rope.scaling.type", 8, gguf_string("yarn"), "found 'yarn'"},
      {"llama.expert_count", 4, raw(8u), "expected a dense model, found 8 experts"},
      {"llama.attention.sliding_window", 4, raw(64u), "found a sliding window of 64"},
      {"split.count", 2, raw(uint16_t{3}), "one of 3 parts"},
  };
  for (const BadPair& pair : kPairs) {
    GgufWriter writer = tiny();
    writer.replace(pair.key, pair.type, pair.payload);
    const auto config = config_of(writer);
    ASSERT_FALSE(config.ok()) << pair.key;
    const std::string message = config.error().message();
    EXPECT_NE(message.find(pair.message), std::string::npos) << pair.key << ": " << message;
    EXPECT_EQ(config.error().exit_code(), 2);
  }
}

json tiny_json() { return json::parse(lowkey::testing::tiny_checkpoint({}).at("config.json")); }

TEST(ConfigJson, ReadsLlama3AndLinearScalingInBothSpellings) {
  json object = tiny_json();
  object["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", 32.0},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", 8192}};
  const auto llama3 = config_from_json(object, "config.json", false);
  ASSERT_TRUE(llama3.ok()) << llama3.error().message();
  ASSERT_TRUE(llama3->rope.llama3.has_value());
  EXPECT_EQ(llama3->rope.llama3->factor, 32.0f);
  EXPECT_EQ(llama3->rope.llama3->original_context, 8192);

  object["rope_scaling"] = {{"type", "linear"}, {"factor", 2}};
  EXPECT_EQ(config_from_json(object, "config.json", false)->rope.linear_factor, 2.0f);

  object.erase("rope_scaling");
  object.erase("rope_theta");
  object["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 5000}};
  EXPECT_EQ(config_from_json(object, "config.json", false)->rope.theta, 5000.0f);
}

TEST(ConfigJson, TiesTheOutputByFlagOrByAbsence) {
  json object = tiny_json();
  EXPECT_TRUE(config_from_json(object, "config.json", true)->tied_output);
  object.erase("tie_word_embeddings");
  EXPECT_FALSE(config_from_json(object, "config.json", true)->tied_output);
  EXPECT_TRUE(config_from_json(object, "config.json", false)->tied_output);
}

TEST(ConfigJson, FallsBackWhereKeysAreAbsentOrNull) {
  json object = tiny_json();
  object["head_dim"] = nullptr;
  object.erase("num_key_value_heads");
  object.erase("rope_theta");
  const auto config = config_from_json(object, "config.json", false);
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->head_dim, 16);
  EXPECT_EQ(config->n_kv_heads, 4);
  EXPECT_EQ(config->rope.theta, 10000.0f);
}

TEST(ConfigJson, RefusesWhatItCannotDo) {
  const std::pair<json, const char*> kChanges[] = {
      {{{"model_type", "gemma3"}}, "found 'gemma3'"},
      {{{"model_type", nullptr}}, "expected a model family among"},
      {{{"model_type", 3}}, "'model_type': expected a string, found a JSON number"},
      {{{"hidden_size", nullptr}}, "expected the key 'hidden_size', found none"},
      {{{"hidden_size", "64"}}, "'hidden_size': expected an integer, found a JSON string"},
      {{{"hidden_size", 64.5}}, "expected an integer"},
      {{{"vocab_size", 1ull << 63}}, "expected an integer below 2^63"},
      {{{"vocab_size", -1}}, "from 1 to 4194304, found -1"},
      {{{"hidden_size", 66}, {"head_dim", nullptr}}, "multiple of the 4 heads, found 66"},
      {{{"head_dim", 15}}, "even head size, found 15"},
      {{{"num_key_value_heads", 3}}, "multiple of the KV heads, found 4 and 3"},
      {{{"hidden_act", "gelu"}}, "expected 'silu', found 'gelu'"},
      {{{"mlp_bias", true}}, "'mlp_bias': expected false"},
      {{{"use_sliding_window", true}}, "'use_sliding_window': expected false"},
      {{{"partial_rotary_factor", 0.5}}, "'partial_rotary_factor': expected 1"},
      {{{"quantization_config", json::object()}}, "found 'quantization_config'"},
      {{{"layer_types", {"full_attention", "sliding_attention"}}}, "'layer_types'"},
      {{{"rope_scaling", 3}}, "rope_scaling: expected an object, found a JSON number"},
      {{{"rope_scaling", {{"type", "yarn"}}}}, "found 'yarn'"},
      {{{"rope_scaling", {{"type", "linear"}}}}, "expected the key 'factor'"},
      {{{"rope_scaling", {{"type", "linear"}, {"factor", 0}}}}, "finite positive number"},
      {{{"rms_norm_eps", "x"}}, "'rms_norm_eps': expected a number"},
  };
  for (const auto& [change, part] : kChanges) {
    json object = tiny_json();
    object.update(change);
    const auto config = config_from_json(object, "config.json", false);
    ASSERT_FALSE(config.ok()) << change;
    const std::string message = config.error().message();
    EXPECT_NE(message.find(part), std::string::npos) << change << ": " << message;
    EXPECT_EQ(message.rfind("config.json", 0), 0u) << message;
  }
}

}  // namespace
}  // namespace lowkey::models::arch
