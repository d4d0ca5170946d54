// A model with large planted key biases, as the Qwen2 family has them: fixed-basis 4-bit caches
// fail on it, the learned code at 2.5 bits does not (tests/golden/biased/README.md).
#include <gtest/gtest.h>

#include "base/file_map.h"
#include "calib/calibrate.h"
#include "engine/eval/perplexity.h"
#include "engine/kv/load_basis.h"
#include "models/tokenizer/tokenizer.h"
#include "tests/support/assets.h"

namespace lowkey::calib {
namespace {

const std::string kFolder = "tests/golden/biased/";

std::vector<int32_t> tokens_of(const std::string& name) {
  const std::string model = lowkey::testing::source_path(kFolder + "biased.gguf");
  const auto tokenizer = models::tokenizer_for_model(model);
  const auto text = read_text_file(lowkey::testing::source_path(kFolder + name));
  return tokenizer.value().encode(text.value(), {}).value();
}

std::unique_ptr<engine::Engine> load(int n_threads) {
  engine::EngineOptions options;
  options.n_threads = n_threads;
  return engine::Engine::load(lowkey::testing::source_path(kFolder + "biased.gguf"), options)
      .value();
}

models::BasisFile calibrated(const engine::Engine& engine) {
  CalibrateOptions options;
  options.n_threads = engine.n_threads();
  options.n_chunk = 512;
  options.n_positions = 512;
  const std::vector<int32_t> tokens = tokens_of("calibration.txt");
  return calibrate(engine, std::span(tokens).first(4096), options).value().file;
}

engine::PerplexityResult judge(const engine::Engine& engine, engine::CacheSpec cache) {
  cache.n_sinks = 4;
  cache.n_window = 32;
  engine::PerplexityOptions options;
  options.cache = std::move(cache);
  options.n_context = 256;
  options.n_chunks = 8;
  options.baseline = engine::parse_cache_type("f32").value();
  return engine::perplexity(engine, tokens_of("evaluation.txt"), options).value();
}

TEST(BiasedModel, LearnedCodeHoldsWhereFixedBasesFail) {
  const auto engine = load(2);
  engine::CacheSpec latent;
  const models::BasisFile file = calibrated(*engine);
  EXPECT_EQ(file.centring, "rotary");
  EXPECT_LE(file.bits_per_element, 2.5);
  latent.latent = engine::latent_code(file, engine->config()).value();
  const auto ours = judge(*engine, latent);
  EXPECT_LT(ours.ppl, 1.02 * ours.divergence->baseline_ppl);
  EXPECT_LT(ours.divergence->mean, 0.002);
  const auto fixed = judge(*engine, engine::parse_cache_type("q4_0h").value());
  EXPECT_GT(fixed.ppl, 1.2 * fixed.divergence->baseline_ppl);
}

TEST(BiasedModel, ThreadsDoNotChangeTheFile) {
  const auto one = models::serialise_basis(calibrated(*load(1)));
  const auto two = models::serialise_basis(calibrated(*load(2)));
  EXPECT_EQ(one.value(), two.value());
}

}  // namespace
}  // namespace lowkey::calib
