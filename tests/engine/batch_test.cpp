// Sequences decoded together: each gets what it would get alone.
#include "engine/session/batch.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::cache_spec;
using lowkey::testing::distance;
using lowkey::testing::open_session;
using lowkey::testing::random_tokens;
using lowkey::testing::TinyWeights;

using Tokens = std::vector<int32_t>;
using Rows = std::vector<std::vector<float>>;  // logits by step and sequence

/// Depths of the sequences: empty, within a tile, at its border, over several, beyond a split.
constexpr int kDepths[] = {0, 7, 16, 45, 600};
constexpr size_t kSequences = std::size(kDepths);
constexpr int kSteps = 3;

std::unique_ptr<Engine> make_engine(const TinyWeights& weights, const char* isa) {
  EngineOptions options;
  options.n_threads = 2;
  options.isa = isa;
  return lowkey::testing::tiny_engine(weights, 1024, options);
}

/// Sequence i of a family of sequences that differ by `seed`.
Session sequence(const Engine& engine, const CacheSpec& cache, size_t i, uint64_t seed) {
  Session session = open_session(engine, {cache, 1024, 64});
  EXPECT_TRUE(session.feed(random_tokens(kDepths[i], engine.config().n_vocab, seed + i)).ok());
  return session;
}

Tokens token_of(const Engine& engine, int step, size_t i, uint64_t seed) {
  return random_tokens(1, engine.config().n_vocab, seed + 100 * uint64_t(step + 1) + i);
}

/// All sequences in one batch; sequence 1 has seed 1, all others have `seed`.
Rows logits_together(const Engine& engine, const CacheSpec& cache, uint64_t seed) {
  std::vector<Session> sessions;
  const auto seed_of = [&](size_t i) { return i == 1 ? 1 : seed; };
  for (size_t i = 0; i < kSequences; ++i) {
    sessions.push_back(sequence(engine, cache, i, seed_of(i)));
  }
  Batch batch = Batch::open(engine, int(kSequences)).value();
  Rows logits;
  for (int step = 0; step < kSteps; ++step) {
    std::vector<Tokens> tokens;
    std::vector<Batch::Entry> entries;
    for (size_t i = 0; i < kSequences; ++i) tokens.push_back(token_of(engine, step, i, seed_of(i)));
    for (size_t i = 0; i < kSequences; ++i) entries.push_back({&sessions[i], tokens[i]});
    const Status fed = batch.feed(entries);
    EXPECT_TRUE(fed.ok()) << fed.error().message();
    const MatrixView<const float> rows = batch.logits();
    for (size_t i = 0; i < kSequences; ++i) {
      logits.emplace_back(rows.row(int64_t(i)), rows.row(int64_t(i)) + rows.cols);
    }
  }
  for (size_t i = 0; i < kSequences; ++i) EXPECT_EQ(sessions[i].n_tokens(), kDepths[i] + kSteps);
  return logits;
}

Rows logits_alone(const Engine& engine, const CacheSpec& cache) {
  Rows logits(kSteps * kSequences);
  for (size_t i = 0; i < kSequences; ++i) {
    Session session = sequence(engine, cache, i, 1);
    for (int step = 0; step < kSteps; ++step) {
      EXPECT_TRUE(session.feed(token_of(engine, step, i, 1)).ok());
      const auto row = session.logits();
      logits[size_t(step) * kSequences + i].assign(row.begin(), row.end());
    }
  }
  return logits;
}

double largest_distance(const Rows& a, const Rows& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, distance(a[i], b[i]).largest);
  return largest;
}

class BatchTest : public ::testing::TestWithParam<TinyWeights> {};

TEST_P(BatchTest, TheOracleGivesRaggedSequencesExactlyWhatTheyGetAlone) {
  const auto engine = make_engine(GetParam(), "scalar");
  for (const CacheSpec& cache :
       {cache_spec("f16"), cache_spec("q8_0h", 4, 8), cache_spec("q4_0", 2, 20)}) {
    const Rows alone = logits_alone(*engine, cache);
    EXPECT_EQ(logits_together(*engine, cache, 1), alone) << cache_name(cache);
    EXPECT_NE(alone[0], alone[kSequences]) << "the steps differ";
  }
}

TEST_P(BatchTest, KernelsAreAsCloseToTheOracleTogetherAsAlone) {
  const auto oracle = make_engine(GetParam(), "scalar"), engine = make_engine(GetParam(), "");
  const CacheSpec cache = cache_spec("f32");  // codes would turn a rounding into a step
  const Rows exact = logits_alone(*oracle, cache), together = logits_together(*engine, cache, 1);
  // Kernels for several rows add in another order than those for one: no closer, no farther.
  const double alone = largest_distance(logits_alone(*engine, cache), exact);
  EXPECT_LE(largest_distance(together, exact), 4 * alone + 1e-6);
}

TEST_P(BatchTest, NeighboursDoNotMatter) {
  const auto engine = make_engine(GetParam(), "");
  for (const CacheSpec& cache : {cache_spec("f16"), cache_spec("q4_0h", 4, 8)}) {
    const Rows some = logits_together(*engine, cache, 1),
               others = logits_together(*engine, cache, 9);
    for (int step = 0; step < kSteps; ++step) {
      const size_t first = size_t(step) * kSequences;
      EXPECT_EQ(some[first + 1], others[first + 1]) << cache_name(cache) << ", step " << step;
      EXPECT_NE(some[first + 2], others[first + 2]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, BatchTest,
                         ::testing::Values(TinyWeights{"llama", DType::kF32},
                                           TinyWeights{"llama", DType::kQ4_1},
                                           TinyWeights{"qwen2", DType::kQ8_0},
                                           TinyWeights{"qwen3", DType::kQ4_0}),
                         [](const auto& parameter) { return name_of(parameter.param); });

TEST(Batch, TakesPromptsAndSingleTokensInOneStep) {
  const auto engine = make_engine({"llama", DType::kQ4_1}, "scalar");
  const CacheSpec cache = cache_spec("q8_0", 4, 8);
  const Tokens prompt = random_tokens(40, engine->config().n_vocab, 5), one = {3};
  Session fresh = open_session(*engine, {cache, 64, 64}), old = sequence(*engine, cache, 3, 1);
  Session fresh_alone = open_session(*engine, {cache, 64, 64, &fresh});
  Session old_alone = sequence(*engine, cache, 3, 1);
  ASSERT_TRUE(fresh_alone.feed(prompt).ok());
  ASSERT_TRUE(old_alone.feed(one).ok());
  Batch batch = Batch::open(*engine, 41).value();
  const Batch::Entry entries[] = {{&fresh, prompt}, {&old, one}};
  ASSERT_TRUE(batch.feed(entries).ok());
  EXPECT_EQ(fresh.n_tokens(), 40);
  EXPECT_EQ(old.n_tokens(), kDepths[3] + 1);
  const auto logits = batch.logits();
  const auto row = [&](int64_t i) {
    return std::vector<float>(logits.row(i), logits.row(i) + logits.cols);
  };
  const auto of = [](Session& session) {
    const auto values = session.logits();
    return std::vector<float>(values.begin(), values.end());
  };
  EXPECT_EQ(row(0), of(fresh_alone));
  EXPECT_EQ(row(1), of(old_alone));
  EXPECT_EQ(of(old), of(old_alone)) << "a session goes on alone where the batch left it";
}

TEST(Batch, ARefusedEntryFeedsNobody) {
  const auto engine = make_engine({"llama", DType::kQ4_1}, "");
  Session roomy = open_session(*engine, {cache_spec("f16"), 16, 16});
  Session full = open_session(*engine, {cache_spec("f16"), 2, 16});
  ASSERT_TRUE(full.feed(Tokens{1, 2}).ok());
  EXPECT_FALSE(Batch::open(*engine, 0).ok());
  Batch batch = Batch::open(*engine, 4).value();
  const Tokens one = {1}, unknown = {engine->config().n_vocab}, many = {1, 2, 3, 4, 5}, none;
  const std::pair<Batch::Entry, const char*> bad[] = {{{&full, one}, "at most 2 tokens, found 3"},
                                                      {{&full, unknown}, "expected an id below"},
                                                      {{&full, many}, "at most 4 tokens, found 6"},
                                                      {{&full, none}, "at least one token"},
                                                      {{&roomy, one}, "another session"}};
  for (const auto& [entry, message] : bad) {
    const Batch::Entry entries[] = {{&roomy, one}, entry};
    const Status status = batch.feed(entries);
    ASSERT_FALSE(status.ok()) << message;
    EXPECT_NE(status.error().message().find(message), std::string::npos)
        << status.error().message();
    EXPECT_EQ(roomy.n_tokens(), 0);
  }
  const Batch::Entry good[] = {{&roomy, one}};
  EXPECT_TRUE(batch.feed(good).ok());
  EXPECT_FALSE(batch.feed({}).ok());
}

}  // namespace
}  // namespace lowkey::engine
