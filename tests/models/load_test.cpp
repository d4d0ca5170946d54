// load_model on real, tiny and broken models, from GGUF and from safetensors.
#include <gtest/gtest.h>

#include <algorithm>

#include "models/model.h"
#include "tests/support/assets.h"
#include "tests/support/tiny_model.h"

namespace lowkey::models {
namespace {

using lowkey::testing::TemporaryFolder;
using lowkey::testing::TinySpec;

Result<Model> load_checkpoint(const TemporaryFolder& folder, const TinySpec& spec) {
  for (const auto& [name, bytes] : lowkey::testing::tiny_checkpoint(spec)) {
    folder.write(name, bytes);
  }
  return load_model(folder.path());
}

void expect_shape(const TensorView& tensor, int64_t n_rows, int64_t n_cols) {
  EXPECT_EQ(tensor.n_rows, n_rows) << tensor.name;
  EXPECT_EQ(tensor.n_cols, n_cols) << tensor.name;
  EXPECT_EQ(int64_t(tensor.bytes.size()), dtype_bytes(tensor.dtype, n_rows * n_cols));
}

TEST(LoadModel, OpensTheRealModel) {
  const auto path = lowkey::testing::test_model_path();
  if (!path) GTEST_SKIP() << "no SmolLM2-135M here: run `lowkey models get smollm2-135m`";
  const auto model = load_model(*path);
  ASSERT_TRUE(model.ok()) << model.error().message();
  const ModelConfig& config = model->config;
  EXPECT_EQ(config.family, "llama");
  EXPECT_EQ(config.n_layers, 30);
  EXPECT_EQ(config.n_embd, 576);
  EXPECT_EQ(config.n_heads, 9);
  EXPECT_EQ(config.n_kv_heads, 3);
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_EQ(config.n_vocab, 49152);
  EXPECT_EQ(config.n_context, 8192);
  EXPECT_EQ(config.rope.theta, 100000.0f);
  EXPECT_TRUE(config.rope.neighbours);
  EXPECT_TRUE(config.tied_output);
  ASSERT_EQ(model->layers.size(), 30u);
  expect_shape(model->token_embd, 49152, 576);
  expect_shape(model->layers[29].k, 192, 576);
  expect_shape(model->layers[29].down, 576, 1536);
  expect_shape(model->layers[0].attn_norm, 1, 576);
  EXPECT_EQ(model->token_embd.dtype, DType::kQ8_0);
  EXPECT_EQ(model->layers[0].gate.dtype, DType::kQ4_1);
  EXPECT_EQ(model->output.bytes.data(), model->token_embd.bytes.data());
}

class LoadFamily : public ::testing::TestWithParam<const char*> {};

TEST_P(LoadFamily, FromGgufAndSafetensorsAlike) {
  TinySpec spec;
  spec.family = GetParam();
  spec.tied_output = spec.family != "llama";
  const TemporaryFolder folder;
  const auto gguf = load_model(folder.write("tiny.gguf", lowkey::testing::tiny_gguf(spec)));
  ASSERT_TRUE(gguf.ok()) << gguf.error().message();
  const auto checkpoint = load_checkpoint(folder, spec);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message();
  const auto file = load_model(folder.path("model.safetensors"));
  ASSERT_TRUE(file.ok()) << file.error().message();

  EXPECT_EQ(gguf->config.rope.neighbours, spec.family == "llama");
  for (const Model* model : {&*gguf, &*checkpoint, &*file}) {
    EXPECT_EQ(model->config.family, spec.family);
    EXPECT_EQ(model->config.qkv_bias, spec.family == "qwen2");
    EXPECT_EQ(model->config.qk_norm, spec.family == "qwen3");
    EXPECT_EQ(model->config.tied_output, spec.tied_output);
    EXPECT_EQ(model->config.n_vocab, spec.n_vocab);
    EXPECT_EQ(model->config.norm_eps, spec.norm_eps);
    ASSERT_EQ(model->layers.size(), 2u);
    expect_shape(model->layers[1].q, 64, 64);
    expect_shape(model->layers[1].up, 96, 64);
    expect_shape(model->output, spec.n_vocab, 64);
    EXPECT_EQ(model->layers[1].q_bias.present(), spec.family == "qwen2");
    EXPECT_EQ(model->layers[1].k_norm.present(), spec.family == "qwen3");
  }
  EXPECT_FALSE(checkpoint->config.rope.neighbours);
  EXPECT_TRUE(std::ranges::equal(gguf->layers[1].v.bytes, checkpoint->layers[1].v.bytes));
  // Only llama's GGUF files have the rows of q and k permuted.
  EXPECT_EQ(std::ranges::equal(gguf->layers[1].q.bytes, checkpoint->layers[1].q.bytes),
            spec.family != "llama");
}

TEST_P(LoadFamily, TakesEveryTensorType) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
                            DType::kQ5_0, DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    TinySpec spec;
    spec.family = GetParam();
    spec.dtype = dtype;
    spec.n_embd = spec.n_ff = 256;
    spec.head_dim = 64;
    const TemporaryFolder folder;
    const auto model = load_model(folder.write("tiny.gguf", lowkey::testing::tiny_gguf(spec)));
    ASSERT_TRUE(model.ok()) << model.error().message();
    EXPECT_EQ(model->layers[0].down.dtype, dtype);
    EXPECT_EQ(model->layers[0].attn_norm.dtype, DType::kF32);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, LoadFamily, ::testing::Values("llama", "qwen2", "qwen3"),
                         [](const auto& family) { return std::string(family.param); });

TEST(LoadModel, OpensTheGoldenModels) {
  for (const char* name : {"llama3", "llama_linear", "qwen2", "qwen3"}) {
    const std::string path = lowkey::testing::source_path(std::string("tests/golden/tiny/") + name);
    const auto checkpoint = load_model(path);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message();
    const auto gguf = load_model(path + ".gguf");
    ASSERT_TRUE(gguf.ok()) << gguf.error().message();
    EXPECT_EQ(checkpoint->config.name, name);
    EXPECT_EQ(checkpoint->config.rope.theta, gguf->config.rope.theta);
    EXPECT_EQ(checkpoint->config.rope.linear_factor, gguf->config.rope.linear_factor);
    EXPECT_EQ(checkpoint->config.rope.llama3.has_value(), std::string(name) == "llama3");
    EXPECT_EQ(gguf->config.rope.frequency_factors.size(), std::string(name) == "llama3" ? 8u : 0u);
  }
}

TEST(LoadModel, NamesPathsThatAreNotThere) {
  EXPECT_EQ(load_model("/nowhere/x.gguf").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(load_model("/nowhere/x.safetensors").error().code, ErrorCode::kNotFound);
  const TemporaryFolder folder;
  const auto empty = load_model(folder.path());
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().code, ErrorCode::kNotFound);
  EXPECT_NE(empty.error().what.find("expected *.safetensors files"), std::string::npos);
  EXPECT_FALSE(load_model(folder.write("empty.gguf", "")).ok());
}

TEST(LoadModel, RefusesTruncatedFilesOfBothKinds) {
  const TinySpec spec;
  const TemporaryFolder folder;
  const std::string gguf = lowkey::testing::tiny_gguf(spec);
  const auto files = lowkey::testing::tiny_checkpoint(spec);
  const std::string& tensors = files.at("model.safetensors");
  folder.write("config.json", files.at("config.json"));
  for (size_t n = 0; n + 32 < std::min(gguf.size(), tensors.size()); n += 997) {
    const auto a = load_model(folder.write("cut.gguf", gguf.substr(0, n)));
    ASSERT_FALSE(a.ok()) << n;
    EXPECT_EQ(a.error().exit_code(), 2) << a.error().message();
    const auto b = load_model(folder.write("model.safetensors", tensors.substr(0, n)));
    ASSERT_FALSE(b.ok()) << n;
    EXPECT_EQ(b.error().exit_code(), 2) << b.error().message();
  }
}

}  // namespace
}  // namespace lowkey::models
