// Sessions and the generation loop: the same seed gives the same text, and stop rules hold.
#include <gtest/gtest.h>

#include "engine/session/generate.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::cache_spec;
using lowkey::testing::open_session;

using Tokens = std::vector<int32_t>;
const Tokens kPrompt = {5, 17, 3, 42, 8};

std::unique_ptr<Engine> make_engine(int n_threads) {
  lowkey::testing::TinySpec spec;
  spec.head_dim = 32;
  spec.dtype = DType::kQ4_1;
  EngineOptions options;
  options.n_threads = n_threads;
  return lowkey::testing::tiny_engine(spec, options);
}

class SessionTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { engine_ = make_engine(2); }
  static void TearDownTestSuite() { engine_.reset(); }

  static Tokens text(const GenerateOptions& options, const Engine& engine = *engine_) {
    Session session = open_session(engine, {cache_spec("q8_0", 4, 8), 256, 64});
    const auto result = generate(session, {}, kPrompt, options);
    EXPECT_TRUE(result.ok()) << result.error().message();
    return result.ok() ? result->tokens : Tokens();
  }
  static GenerateOptions hot(uint64_t seed) {
    GenerateOptions options;
    options.n_tokens = 40;
    options.sampler.temperature = 1.5f;
    options.sampler.seed = seed;
    return options;
  }
  static GenerateOptions greedy(int64_t n_tokens) {
    GenerateOptions options;
    options.n_tokens = n_tokens;
    options.sampler.temperature = 0.0f;
    return options;
  }
  static inline std::unique_ptr<Engine> engine_;
};

TEST_F(SessionTest, TheSeedGivesTheText) {
  const Tokens first = text(hot(1));
  EXPECT_EQ(first.size(), 40u);
  EXPECT_EQ(text(hot(1)), first);
  EXPECT_NE(text(hot(2)), first);
}

TEST_F(SessionTest, TheThreadsDoNotChangeTheText) {
  const Tokens expected = text(hot(3));
  for (const int n_threads : {1, 3}) {
    const auto engine = make_engine(n_threads);
    ASSERT_EQ(engine->n_threads(), n_threads);
    EXPECT_EQ(text(hot(3), *engine), expected) << n_threads << " threads";
  }
}

TEST_F(SessionTest, NTokensIsALimit) {
  EXPECT_EQ(text(greedy(0)).size(), 0u);
  EXPECT_EQ(text(greedy(1)).size(), 1u);
  EXPECT_EQ(text(greedy(7)).size(), 7u);
}

TEST_F(SessionTest, AnEndTokenStopsAndIsNotPassedOn) {
  const Tokens all = text(greedy(20));
  const int32_t end = all[10];
  const size_t first = size_t(std::find(all.begin(), all.end(), end) - all.begin());
  GenerateOptions options = greedy(20);
  Tokens passed;
  options.is_end = [&](int32_t token) { return token == end; };
  options.on_token = [&](int32_t token) { return passed.push_back(token), true; };
  const Tokens kept = text(options);
  EXPECT_EQ(kept, Tokens(all.begin(), all.begin() + int64_t(first)));
  EXPECT_EQ(passed, kept);
}

TEST_F(SessionTest, TheCallerCanStop) {
  GenerateOptions options = greedy(20);
  int n_seen = 0;
  options.on_token = [&](int32_t) { return ++n_seen < 4; };
  EXPECT_EQ(text(options).size(), 4u);
}

TEST_F(SessionTest, AFullContextStops) {
  Session session = open_session(*engine_, {cache_spec("f16"), 16, 64});
  const auto result = generate(session, {}, kPrompt, greedy(-1));
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->context_full);
  EXPECT_EQ(result->n_prompt, 5);
  EXPECT_EQ(session.n_tokens(), 16);
  EXPECT_EQ(result->tokens.size(), 12u);  // 11 were fed, the last one was only drawn
}

TEST_F(SessionTest, AnOverflowLeavesTheSessionUsable) {
  Session session = open_session(*engine_, {cache_spec("f16"), 16, 4});
  ASSERT_TRUE(session.feed(kPrompt).ok());
  const auto logits = session.logits();
  const std::vector<float> before(logits.begin(), logits.end());
  const Status status = session.feed(Tokens(12, 1));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(status.error().message().find("at most 16 tokens, found 17"), std::string::npos);
  EXPECT_EQ(session.n_tokens(), 5);
  const auto after = session.logits();
  EXPECT_EQ(std::vector<float>(after.begin(), after.end()), before);
  EXPECT_TRUE(session.feed(Tokens(11, 1)).ok());
}

TEST_F(SessionTest, UnknownTokensAndOptionsAreErrors) {
  Session session = open_session(*engine_, {cache_spec("f16"), 16, 16});
  EXPECT_FALSE(session.feed(Tokens{1, -1}).ok());
  EXPECT_FALSE(session.feed(Tokens{1, engine_->config().n_vocab}).ok());
  EXPECT_EQ(session.n_tokens(), 0);
  EXPECT_FALSE(generate(session, {}, {}, greedy(1)).ok());
  GenerateOptions options = greedy(1);
  options.sampler.top_p = 0.0f;
  EXPECT_FALSE(generate(session, {}, kPrompt, options).ok());
  EXPECT_EQ(session.n_tokens(), 0) << "options are checked before the prompt is fed";
  EXPECT_FALSE(Session::open(*engine_, {cache_spec("f16"), 0, 16}).ok());
  EXPECT_FALSE(Session::open(*engine_, {cache_spec("f16"), 16, 0}).ok());
}

// Blocks of two: the bad id stands in the second one.
TEST_F(SessionTest, AnUnknownTokenFarBackFeedsNothing) {
  Session session = open_session(*engine_, {cache_spec("f16"), 16, 2});
  const Status status = session.feed(Tokens{1, 2, 3, -7});
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message().find("token 3"), std::string::npos);
  EXPECT_NE(status.error().message().find("-7"), std::string::npos);
  EXPECT_EQ(session.n_tokens(), 0);
}

TEST_F(SessionTest, LogitsSpeakOfTheLastTokenOrNone) {
  Session session = open_session(*engine_, {cache_spec("f16"), 16, 16});
  EXPECT_TRUE(session.logits().empty());
  ASSERT_TRUE(session.feed(kPrompt).ok());
  EXPECT_EQ(session.logits().size(), size_t(engine_->config().n_vocab));
  session.truncate(5);
  EXPECT_FALSE(session.logits().empty()) << "nothing was cut off";
  session.truncate(4);
  EXPECT_TRUE(session.logits().empty());
}

TEST(EngineLoad, RefusesWhatItCannotDo) {
  EngineOptions options;
  options.n_threads = -1;
  EXPECT_EQ(Engine::load("absent.gguf", options).error().code, ErrorCode::kInvalidArgument);
  options.n_threads = 1;
  EXPECT_EQ(Engine::load("absent.gguf", options).error().exit_code(), 2);
  options.isa = "abacus";
  EXPECT_NE(Engine::load("absent.gguf", options).error().message().find("scalar"),
            std::string::npos);
}

}  // namespace
}  // namespace lowkey::engine
