// A lazy cache: exact until its bytes run out, then what an eager one would be.
#include <gtest/gtest.h>

#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::cache_spec;
using lowkey::testing::distance;
using lowkey::testing::feed_hidden;
using lowkey::testing::open_session;
using lowkey::testing::random_tokens;

constexpr int kVocab = 64;
constexpr int64_t kContext = 400, kExactBytes = 2 * 2 * 2 * 32 * 2;  // of a token of the tiny model

const Engine& tiny() {
  static const std::unique_ptr<Engine> engine = lowkey::testing::exact_tiny_engine(kVocab, 2);
  return *engine;
}

CacheSpec lazy(const char* name, int64_t n_tokens) {
  CacheSpec spec = cache_spec(name, 4, 16);
  spec.lazy_bytes = n_tokens * kExactBytes;
  return spec;
}

class LazyCache : public ::testing::TestWithParam<const char*> {};

TEST_P(LazyCache, LosesNothingWhileItFits) {
  const auto tokens = random_tokens(200, kVocab, 1);
  for (const int n_batch : {1, 50}) {
    Session exact = open_session(tiny(), {cache_spec("f16", 4, 16), kContext, n_batch});
    Session session = open_session(tiny(), {lazy("f16", 200), kContext, n_batch});
    EXPECT_EQ(feed_hidden(session, tokens), feed_hidden(exact, tokens));
    EXPECT_EQ(session.cache().bytes_per_token(), double(kExactBytes));
    EXPECT_EQ(session.cache().used_bytes(), (200 + 20) * kExactBytes);
  }
}

// The codes are made of f16 copies: a few flip by one step.
TEST_P(LazyCache, ThenHoldsWhatAnEagerOneDoes) {
  const auto tokens = random_tokens(330, kVocab, 2);
  const std::span<const int32_t> all(tokens);
  for (const int n_batch : {7, 100}) {
    Session session = open_session(tiny(), {lazy(GetParam(), 200), kContext, n_batch});
    Session eager = open_session(tiny(), {cache_spec(GetParam(), 4, 16), kContext, n_batch});
    Session floats = open_session(tiny(), {cache_spec("f32"), kContext, n_batch});
    for (Session* each : {&session, &eager, &floats}) ASSERT_TRUE(each->feed(all.first(280)).ok());
    EXPECT_EQ(session.cache().used_bytes(), eager.cache().used_bytes());
    EXPECT_EQ(session.cache().coded(0).type, eager.cache().coded(0).type);
    const auto rest = all.subspan(280);
    const auto found = feed_hidden(session, rest), expected = feed_hidden(eager, rest);
    const double code_noise = distance(expected, feed_hidden(floats, rest)).mean;
    EXPECT_LT(distance(found, expected).mean, 0.5 * code_noise + 2e-4) << "blocks of " << n_batch;
  }
}

TEST_P(LazyCache, GoesOnFromAForkAndFromNothing) {
  const auto tokens = random_tokens(300, kVocab, 3);
  const std::span<const int32_t> all(tokens);
  Session session = open_session(tiny(), {lazy(GetParam(), 120), kContext, 50});
  ASSERT_TRUE(session.feed(all.first(100)).ok());
  auto fork = session.cache().fork();
  ASSERT_TRUE(fork.ok());
  ASSERT_TRUE(session.feed(all.subspan(100, 100)).ok());
  EXPECT_FALSE(session.cache().overflows(1)) << "it is coded";
  EXPECT_TRUE(fork->overflows(50)) << "the other side is exact still";
  Session other = open_session(tiny(), {lazy(GetParam(), 120), kContext, 50});
  other.cache() = std::move(fork).value();
  ASSERT_TRUE(other.feed(all.subspan(100, 100)).ok());
  EXPECT_EQ(feed_hidden(other, all.subspan(200)), feed_hidden(session, all.subspan(200)));
  session.truncate(0);
  EXPECT_TRUE(session.cache().overflows(121)) << "a new text begins exact";
  ASSERT_TRUE(session.feed(all.first(20)).ok());
  EXPECT_EQ(session.cache().bytes_per_token(), double(kExactBytes));
}

INSTANTIATE_TEST_SUITE_P(Types, LazyCache, ::testing::Values("f16", "q8_0", "q4_0", "q4_0h"));

TEST(LazyCacheErrors, NamesWhatItExpected) {
  CacheSpec spec = cache_spec("q8_0");
  spec.lazy_bytes = -1;
  auto cache = KvCache::create(tiny().config(), spec, 20, 16);
  ASSERT_FALSE(cache.ok());
  EXPECT_NE(cache.error().message().find("--kv-budget"), std::string::npos);
  spec.lazy_bytes = 0;
  spec.outliers = 0.5;
  cache = KvCache::create(tiny().config(), spec, 20, 16);
  ASSERT_FALSE(cache.ok());
  EXPECT_NE(cache.error().message().find("--outliers"), std::string::npos);
}

}  // namespace
}  // namespace lowkey::engine
