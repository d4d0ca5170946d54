// The k best logits are those that sorting all of them gives, to the bit, screened or not.
#include "engine/decoder/best_logits.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/session/batch.h"
#include "engine/session/generate.h"
#include "tests/support/assets.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::cache_spec;
using lowkey::testing::open_session;
using lowkey::testing::random_tokens;

constexpr int kVocab = 3000;

std::vector<Candidate> sorted(std::span<const float> logits) {
  std::vector<Candidate> all;
  for (size_t i = 0; i < logits.size(); ++i) all.push_back({logits[i], int32_t(i)});
  std::sort(all.begin(), all.end(), better);
  return all;
}

/// best against the beginning of all.
void expect_same(std::span<const Candidate> best, const std::vector<Candidate>& all, size_t k) {
  ASSERT_EQ(best.size(), k);
  for (size_t i = 0; i < k; ++i) {
    ASSERT_EQ(best[i].id, all[i].id) << "place " << i << " of " << k;
    ASSERT_EQ(best[i].logit, all[i].logit) << "place " << i << " of " << k;
  }
}

struct Case {
  const char* name;
  DType type;
  Precision precision;
};

constexpr Case kCases[] = {
    {"q8_0", DType::kQ8_0, Precision::kDefault},     {"q8_0_fast", DType::kQ8_0, Precision::kFast},
    {"q8_0_exact", DType::kQ8_0, Precision::kExact}, {"q6_k", DType::kQ6_K, Precision::kDefault},
    {"f16", DType::kF16, Precision::kDefault},       {"bf16", DType::kBF16, Precision::kDefault},
    {"f32", DType::kF32, Precision::kExact}};

class BestLogits : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    lowkey::testing::TinySpec spec;
    spec.n_embd = 256;
    spec.head_dim = 64;
    spec.n_ff = 256;
    spec.n_vocab = kVocab;
    spec.tokenizer = false;
    spec.dtype = GetParam().type;
    EngineOptions options;
    options.n_threads = 2;
    options.precision = GetParam().precision;
    engine_ = lowkey::testing::tiny_engine(spec, options);
    ASSERT_TRUE(engine_);
    ASSERT_FALSE(engine_->weights().screen.empty());
  }
  std::unique_ptr<Engine> engine_;
};

TEST_P(BestLogits, OfASession) {
  Session session = open_session(*engine_, {cache_spec("f32"), 64, 16});
  EXPECT_TRUE(session.best_logits(3).empty()) << "before the first token";
  for (const int32_t token : random_tokens(20, kVocab, 1)) {
    ASSERT_TRUE(session.feed({&token, 1}).ok());
    const std::vector<Candidate> all = sorted(session.logits());
    // Up to 11 of 3,000 go through the screen.
    for (const int k : {1, 2, 11, 12, 500, kVocab, 2 * kVocab}) {
      expect_same(session.best_logits(k), all, size_t(std::min(k, kVocab)));
    }
    const std::span<const Candidate> every = session.best_logits(0);
    ASSERT_EQ(every.size(), size_t(kVocab));
    for (size_t i = 0; i < every.size(); ++i) ASSERT_EQ(every[i].id, int32_t(i));
  }
}

TEST_P(BestLogits, OfABatch) {
  for (const size_t n : {1, 2, 3, 4, 7}) {
    std::vector<Session> sessions;
    std::vector<Batch::Entry> entries;
    const std::vector<int32_t> tokens = random_tokens(int(n), kVocab, n);
    for (size_t i = 0; i < n; ++i) {
      sessions.push_back(open_session(*engine_, {cache_spec("f32"), 16, 16}));
    }
    for (size_t i = 0; i < n; ++i) entries.push_back({&sessions[i], {&tokens[i], 1}});
    auto batch = Batch::open(*engine_, int(n));
    ASSERT_TRUE(batch.ok());
    ASSERT_TRUE(batch->feed(entries).ok());
    const auto best = batch->best_logits(2);
    ASSERT_EQ(best.size(), n);
    for (size_t i = 0; i < n; ++i) {
      // A session's own logits are products of one row; several rows sum in another order.
      const std::vector<Candidate> all = sorted(sessions[i].logits());
      ASSERT_EQ(best[i].size(), 2u);
      for (size_t j = 0; j < 2; ++j) {
        EXPECT_EQ(best[i][j].id, all[j].id) << n << " sequences";
        EXPECT_NEAR(best[i][j].logit, all[j].logit, 1e-4) << n << " sequences";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, BestLogits, ::testing::ValuesIn(kCases),
                         [](const auto& named) { return std::string(named.param.name); });

TEST(BestLogitsOfTheModel, AreThoseOfTheWholeVocabulary) {
  const auto path = lowkey::testing::test_model_path();
  if (!path) GTEST_SKIP() << "no SmolLM2-135M here: run `lowkey models get smollm2-135m`";
  EngineOptions options;
  options.n_threads = std::min(cpu_count(), 4);
  const auto engine = Engine::load(*path, options);
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  ASSERT_LT((*engine)->weights().screen.bytes(), (*engine)->weights().head().bytes() * 3 / 5);
  Session session = open_session(**engine, {cache_spec("f16"), 256, 64});
  int32_t token = 28;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(session.feed({&token, 1}).ok());
    const std::vector<Candidate> all = sorted(session.logits());
    for (const int k : {1, 40, 150}) expect_same(session.best_logits(k), all, size_t(k));
    token = all[size_t(i % 40)].id;
  }
}

TEST(BestLogitsOfTheModel, GiveTheSameTextWithAndWithoutAScreen) {
  const auto path = lowkey::testing::test_model_path();
  if (!path) GTEST_SKIP() << "no SmolLM2-135M here: run `lowkey models get smollm2-135m`";
  std::vector<std::vector<int32_t>> texts;
  for (const bool screen : {true, false}) {
    EngineOptions options;
    options.n_threads = std::min(cpu_count(), 4);
    options.screen = screen;
    const auto engine = Engine::load(*path, options);
    ASSERT_TRUE(engine.ok()) << engine.error().message();
    ASSERT_EQ((*engine)->weights().screen.empty(), !screen);
    for (const float penalty : {1.0f, 1.1f}) {
      Session session = open_session(**engine, {cache_spec("f16"), 256, 64});
      GenerateOptions generation;
      generation.n_tokens = 100;
      generation.sampler.seed = 5;
      generation.sampler.repeat_penalty = penalty;
      const std::vector<int32_t> prompt = {504, 260, 28};
      const auto result = generate(session, {}, prompt, generation);
      ASSERT_TRUE(result.ok()) << result.error().message();
      texts.push_back(result->tokens);
    }
  }
  EXPECT_EQ(texts[0], texts[2]);
  EXPECT_EQ(texts[1], texts[3]);
}

}  // namespace
}  // namespace lowkey::engine
