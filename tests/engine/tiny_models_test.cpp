// Families without a real model at hand: logits equal to those of the transformers package.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <tuple>

#include "tests/support/assets.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::cache_spec;

/// Model, and which of its two forms is loaded.
using Case = std::tuple<const char*, const char*>;

class TinyModels : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const auto [name, form] = GetParam();
    const std::string folder = lowkey::testing::source_path("tests/golden/tiny/");
    std::ifstream in(folder + name + "/golden.json");
    golden_ = nlohmann::json::parse(in);
    EngineOptions options;
    options.n_threads = 2;
    auto loaded = Engine::load(folder + golden_.at(form).get<std::string>(), options);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    engine_ = std::move(loaded).value();
  }

  /// Two float32 decoders that add in different orders are each about `rounding` away from the
  /// exact answer; eight of them leave room for our order being the less lucky one. The 7 printed
  /// digits add half a unit in the last place of logits below 100.
  double tolerance() const { return 8 * golden_.at("rounding").get<double>() + 5e-6; }

  void expect_golden_logits(Precision precision, int n_batch) {
    const auto ids = golden_.at("ids").get<std::vector<int32_t>>();
    Session session = lowkey::testing::open_session(*engine_, {cache_spec("f32"), 64, n_batch});
    session.set_precision(precision);
    const std::vector<float> hidden = lowkey::testing::feed_hidden(session, ids);
    const int64_t n_embd = engine_->config().n_embd;
    ASSERT_EQ(hidden.size(), ids.size() * size_t(n_embd));
    std::vector<float> logits(size_t(engine_->config().n_vocab));
    const auto positions = golden_.at("positions").get<std::vector<int64_t>>();
    ASSERT_GE(positions.size(), 4u);
    for (size_t i = 0; i < positions.size(); ++i) {
      const auto expected = golden_.at("logits").at(i).get<std::vector<float>>();
      session.logits(matrix<const float>(hidden.data() + positions[i] * n_embd, 1, n_embd),
                     logits.data());
      EXPECT_LT(lowkey::testing::distance(logits, expected).largest, tolerance())
          << "position " << positions[i] << ", blocks of " << n_batch;
    }
    EXPECT_LT(lowkey::testing::distance(session.logits(), logits).largest, tolerance());
  }

  nlohmann::json golden_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(TinyModels, ToleranceLiesFarBelowEveryFeature) {
  ASSERT_FALSE(golden_.at("effects").empty());
  for (const auto& [feature, effect] : golden_.at("effects").items()) {
    EXPECT_LT(100 * tolerance(), effect.get<double>()) << feature;
  }
}

TEST_P(TinyModels, InOneBlock) { expect_golden_logits(Precision::kExact, 48); }
TEST_P(TinyModels, InBlocksOfSeven) { expect_golden_logits(Precision::kExact, 7); }
TEST_P(TinyModels, TokenByToken) { expect_golden_logits(Precision::kExact, 1); }
// Float weights meet float activations on the default path too.
TEST_P(TinyModels, OnTheDefaultPath) { expect_golden_logits(Precision::kDefault, 48); }

INSTANTIATE_TEST_SUITE_P(Families, TinyModels,
                         ::testing::Combine(::testing::Values("llama3", "llama_linear", "qwen2",
                                                              "qwen3"),
                                            ::testing::Values("folder", "gguf")),
                         [](const auto& parameter) {
                           return std::string(std::get<0>(parameter.param)) + "_" +
                                  std::get<1>(parameter.param);
                         });

}  // namespace
}  // namespace lowkey::engine
