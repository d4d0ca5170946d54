// A prompt whose last hidden state alone is wanted leaves out what nobody needs of the last layer,
// and nothing else.
#include <gtest/gtest.h>

#include "engine/session/batch.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::cache_spec;
using lowkey::testing::distance;
using lowkey::testing::open_session;
using lowkey::testing::random_tokens;

constexpr int kVocab = 64;

const Engine& tiny() {
  static const std::unique_ptr<Engine> engine = lowkey::testing::exact_tiny_engine(kVocab, 2);
  return *engine;
}

std::vector<float> logits_of(Session& session) {
  const auto logits = session.logits();
  return {logits.begin(), logits.end()};
}

/// Logits after `tokens`, and after one more: what the prompt left in the cache.
struct Outcome {
  std::vector<float> prompt, next;
};

Outcome outcome(const char* cache, int n_batch, std::span<const int32_t> tokens, bool all_rows) {
  Session session = open_session(tiny(), {cache_spec(cache, 2, 8), 400, n_batch});
  Session::BlockSink sink;
  int64_t n_seen = 0;
  if (all_rows) {
    sink = [&](int64_t, MatrixView<const float> hidden) {
      n_seen += hidden.rows;
      return Status();
    };
  }
  EXPECT_TRUE(session.feed(tokens, sink).ok());
  EXPECT_EQ(n_seen, all_rows ? int64_t(tokens.size()) : 0);
  Outcome out{logits_of(session), {}};
  EXPECT_TRUE(session.feed(random_tokens(1, kVocab, 9)).ok());
  out.next = logits_of(session);
  return out;
}

class LastOnly : public ::testing::TestWithParam<const char*> {};

TEST_P(LastOnly, LogitsAreThoseOfAllRows) {
  const auto tokens = random_tokens(150, kVocab, 3);
  for (const int n_batch : {1, 40, 150}) {
    const Outcome all = outcome(GetParam(), n_batch, tokens, true);
    const Outcome last = outcome(GetParam(), n_batch, tokens, false);
    EXPECT_LT(distance(last.prompt, all.prompt).mean, 1e-4) << "blocks of " << n_batch;
    // Keys and values are the same in every layer, so the next token sees no difference.
    EXPECT_EQ(last.next, all.next) << "blocks of " << n_batch;
  }
}

INSTANTIATE_TEST_SUITE_P(Caches, LastOnly,
                         ::testing::Values("f32", "f16", "q8_0", "q4_0h", "hadamard-k3v2"));

TEST(LastOnly, PromptsOfSeveralSequencesGetTheirOwn) {
  const std::vector<int32_t> prompts[] = {random_tokens(30, kVocab, 1), random_tokens(1, kVocab, 2),
                                          random_tokens(70, kVocab, 3)};
  std::vector<Session> sessions;
  for (int i = 0; i < 3; ++i) {
    sessions.push_back(open_session(tiny(), {cache_spec("f32"), 100, 100}));
  }
  auto batch = Batch::open(tiny(), 101);
  ASSERT_TRUE(batch.ok());
  std::vector<Batch::Entry> entries;
  for (size_t i = 0; i < 3; ++i) entries.push_back({&sessions[i], prompts[i]});
  ASSERT_TRUE(batch->feed(entries).ok());
  const MatrixView<const float> logits = batch->logits();
  ASSERT_EQ(logits.rows, 3);
  for (size_t i = 0; i < 3; ++i) {
    Session alone = open_session(tiny(), {cache_spec("f32"), 100, 100});
    ASSERT_TRUE(alone.feed(prompts[i]).ok());
    const std::span<const float> row(logits.row(int64_t(i)), size_t(logits.cols));
    EXPECT_LT(distance(row, logits_of(alone)).largest, 1e-3) << i;
  }
}

}  // namespace
}  // namespace lowkey::engine
