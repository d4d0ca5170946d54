// The real model against an independent float32 implementation: likelihoods, arg max, greedy text.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/eval/compare_rows.h"
#include "engine/eval/perplexity.h"
#include "tests/support/assets.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::cache_spec;
using lowkey::testing::shared_path;

constexpr int64_t kContext = 2048;

struct Scores {
  std::vector<float> nll;
  std::vector<int32_t> top;
};

class Golden : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto model = lowkey::testing::test_model_path();
    if (!model) GTEST_SKIP() << "no SmolLM2-135M here: run `lowkey models get smollm2-135m`";
    if (!shared_path(kFolder)) GTEST_SKIP() << "no golden data here: shared folder is absent";
    if (!engine_) {
      EngineOptions options;
      options.n_threads = std::min(cpu_count(), 4);
      options.precision = Precision::kExact;
      auto loaded = Engine::load(*model, options);
      ASSERT_TRUE(loaded.ok()) << loaded.error().message();
      engine_ = std::move(loaded).value();
    }
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static nlohmann::json read(const std::string& name) {
    std::ifstream in(*shared_path(kFolder) + "/" + name);
    return nlohmann::json::parse(in);
  }

  static std::vector<int32_t> tokens() {
    return read("wiki_test_tokens.json").at("first_2048").get<std::vector<int32_t>>();
  }

  /// Scores of the second half of the golden chunk through the f32 cache on the default path.
  static Scores score_by_default() {
    const std::vector<int32_t> ids = tokens();
    const int64_t n_vocab = engine_->config().n_vocab, n_embd = engine_->config().n_embd;
    Session session = lowkey::testing::open_session(*engine_, {cache_spec("f32"), kContext, 512});
    session.set_precision(Precision::kDefault);
    const std::vector<float> hidden = lowkey::testing::feed_hidden(session, ids);
    constexpr int64_t kRows = 32;
    std::vector<float> logits(size_t(kRows * n_vocab)), scratch(logits.size());
    Scores scores;
    for (int64_t first = kContext / 2; first < kContext - 1; first += kRows) {
      const int64_t n = std::min(kRows, kContext - 1 - first);
      session.logits(matrix<const float>(hidden.data() + first * n_embd, n, n_embd), logits.data());
      for (int64_t i = 0; i < n; ++i) {
        const RowScore row =
            score_row(*engine_->context().kernels, {logits.data() + i * n_vocab, size_t(n_vocab)},
                      ids[size_t(first + i) + 1], scratch.data());
        scores.nll.push_back(float(row.nll));
        scores.top.push_back(row.top);
      }
    }
    return scores;
  }

  /// Mean distance from the reference's likelihoods, in nats.
  static double distance_from_golden(std::span<const float> nll) {
    const auto golden = read("wiki_test_chunk0.json").at("nll").get<std::vector<float>>();
    EXPECT_EQ(golden.size(), 1023u);
    return lowkey::testing::distance(nll, golden).mean;
  }

  static constexpr const char* kFolder = "golden/smollm2-135m";
  static inline std::unique_ptr<Engine> engine_;
};

TEST_F(Golden, FloatActivationsGiveTheReferencePerplexity) {
  PerplexityOptions options;
  options.cache = cache_spec("f32");
  options.n_context = kContext;
  const auto result = perplexity(*engine_, tokens(), options);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->n_chunks, 1);
  EXPECT_EQ(result->n_scored, 1023);
  EXPECT_LT(distance_from_golden(result->nll), 0.002);
  const double golden = read("perplexity.json").at("running_ppl").at(0).get<double>();
  EXPECT_NEAR(golden, 16.976, 0.001);
  EXPECT_NEAR(result->ppl, golden, 0.001 * golden);
}

TEST_F(Golden, TheDefaultPathStaysClose) {
  const Scores scores = score_by_default();
  EXPECT_LT(distance_from_golden(scores.nll), 0.02);
  const auto top = read("wiki_test_chunk0.json").at("argmax").get<std::vector<int32_t>>();
  ASSERT_EQ(top.size(), scores.top.size());
  size_t n_same = 0;
  for (size_t i = 0; i < top.size(); ++i) n_same += top[i] == scores.top[i];
  EXPECT_GE(double(n_same), 0.98 * double(top.size()));
}

TEST_F(Golden, GreedyTextIsTheReferences) {
  const nlohmann::json golden = read("greedy.json");
  const auto prompt = golden.at("prompt_ids").get<std::vector<int32_t>>();
  const auto ids = golden.at("greedy_ids").get<std::vector<int32_t>>();
  const auto margins = golden.at("logit_margin").get<std::vector<double>>();
  Session session = lowkey::testing::open_session(*engine_, {cache_spec("f32"), 64, 64});
  session.set_precision(Precision::kExact);
  ASSERT_TRUE(session.feed(prompt).ok());
  int n_clear = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto logits = session.logits();
    const auto top = std::max_element(logits.begin(), logits.end()) - logits.begin();
    // A near tie may go the other way; the reference's token is fed, so the next step compares.
    if (margins[i] >= 0.2) {
      EXPECT_EQ(top, ids[i]) << "step " << i << ", margin " << margins[i];
      ++n_clear;
    }
    ASSERT_TRUE(session.feed({&ids[i], 1}).ok());
  }
  EXPECT_GE(n_clear, 20);
}

}  // namespace
}  // namespace lowkey::engine
