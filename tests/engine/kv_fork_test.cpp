// Forks of a cache: they share full pages, and neither side sees what the other writes.
#include <gtest/gtest.h>

#include <random>

#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::cache_spec;
using lowkey::testing::feed_hidden;
using lowkey::testing::open_session;
using lowkey::testing::random_tokens;

constexpr int kVocab = 64;
constexpr int64_t kContext = 700;

const Engine& tiny() {
  static const std::unique_ptr<Engine> engine = lowkey::testing::exact_tiny_engine(kVocab, 1);
  return *engine;
}

Session open(const CacheSpec& spec) { return open_session(tiny(), {spec, kContext, 8}); }

Session fork(const Session& session) {
  Session copy = open(session.cache().spec());
  auto cache = session.cache().fork();
  EXPECT_TRUE(cache.ok());
  copy.cache() = std::move(cache).value();
  return copy;
}

const std::byte* page(const Session& session, int64_t position) {
  return session.cache().coded(0).store->piece(0, position, position + 1).run.k;
}

TEST(KvFork, SharesPagesUntilWrittenTo) {
  constexpr int kCommon = kPageTokens + 44;
  Session session = open(cache_spec("f16"));
  ASSERT_TRUE(session.feed(random_tokens(kCommon, kVocab, 1)).ok());
  Session copy = fork(session);
  EXPECT_EQ(copy.n_tokens(), kCommon);
  EXPECT_EQ(page(copy, 0), page(session, 0));
  EXPECT_EQ(page(copy, kCommon - 1), page(session, kCommon - 1));
  ASSERT_TRUE(copy.feed(random_tokens(1, kVocab, 2)).ok());
  EXPECT_EQ(page(copy, 0), page(session, 0)) << "a full page stays shared";
  EXPECT_NE(page(copy, kCommon - 1), page(session, kCommon - 1)) << "a page written to is copied";
}

class KvForkTypes : public ::testing::TestWithParam<const char*> {};

TEST_P(KvForkTypes, SidesDivergeIndependently) {
  const CacheSpec spec = cache_spec(GetParam(), 4, 8);
  const auto common = random_tokens(300, kVocab, 3);
  const auto left = random_tokens(40, kVocab, 4), right = random_tokens(40, kVocab, 5);
  Session a = open(spec);
  ASSERT_TRUE(a.feed(common).ok());
  Session b = fork(a);
  std::vector<float> a_rows, b_rows;
  for (size_t i = 0; i < 40; i += 8) {  // in turns, so that a shared byte would show
    for (float x : feed_hidden(a, std::span(left).subspan(i, 8))) a_rows.push_back(x);
    for (float x : feed_hidden(b, std::span(right).subspan(i, 8))) b_rows.push_back(x);
  }
  for (const auto& [tokens, rows] : {std::pair{&left, &a_rows}, std::pair{&right, &b_rows}}) {
    Session fresh = open(spec);
    ASSERT_TRUE(fresh.feed(common).ok());
    EXPECT_EQ(feed_hidden(fresh, *tokens), *rows);
  }
  EXPECT_NE(a_rows, b_rows);
}

/// A session and the tokens that it ought to hold.
struct Branch {
  Session session;
  std::vector<int32_t> tokens;
};

// Steps of one token, so that a replay from scratch does the same arithmetic, bit for bit. Cuts
// are short: within a tile the exact copies reach back.
TEST_P(KvForkTypes, AnySequenceEqualsItsReplay) {
  const CacheSpec spec = cache_spec(GetParam(), 4, 8);
  std::mt19937_64 random(6);
  std::vector<Branch> branches;
  branches.reserve(4);  // references to branches live on while one is added
  branches.push_back({open(spec), {}});
  int n_forks = 0, n_cuts = 0;
  for (int step = 0; step < 60; ++step) {
    Branch& branch = branches[random() % branches.size()];
    const uint64_t action = random() % 6;
    if (action == 0 && branches.size() < 4) {
      Branch copy{fork(branch.session), branch.tokens};
      branches.push_back(std::move(copy));
      ++n_forks;
    } else if (action == 1) {
      const size_t cut = std::min<size_t>(random() % 16, branch.tokens.size());
      branch.tokens.resize(branch.tokens.size() - cut);
      branch.session.truncate(int64_t(branch.tokens.size()));
      // Copies reach back one tile from the furthest end: go beyond it before the next cut.
      branch.tokens.insert(branch.tokens.end(), 16, int32_t(step));
      ++n_cuts;
    } else {
      const auto more = random_tokens(int(random() % 60) + 16, kVocab, random());
      if (branch.tokens.size() + more.size() + 40 >= size_t(kContext)) continue;
      branch.tokens.insert(branch.tokens.end(), more.begin(), more.end());
    }
    const std::span<const int32_t> all(branch.tokens);
    for (const int32_t& token : all.subspan(size_t(branch.session.n_tokens()))) {
      ASSERT_TRUE(branch.session.feed({&token, 1}).ok());
    }
  }
  EXPECT_GT(n_forks, 1);
  EXPECT_GT(n_cuts, 3);
  for (Branch& branch : branches) {
    ASSERT_EQ(branch.session.n_tokens(), int64_t(branch.tokens.size()));
    Session fresh = open(spec);
    for (const int32_t& token : branch.tokens) ASSERT_TRUE(fresh.feed({&token, 1}).ok());
    const int32_t next = 5;
    EXPECT_EQ(feed_hidden(branch.session, {&next, 1}), feed_hidden(fresh, {&next, 1}));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, KvForkTypes, ::testing::Values("f32", "f16", "q8_0", "q4_0h"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace lowkey::engine
