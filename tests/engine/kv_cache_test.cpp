// The cache as a session sees it: blocks and steps agree, going back and forking leave no trace.
#include <gtest/gtest.h>

#include <random>
#include <tuple>

#include "engine/kv/cache.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::cache_spec;
using lowkey::testing::Distance;
using lowkey::testing::distance;
using lowkey::testing::feed_hidden;
using lowkey::testing::open_session;
using lowkey::testing::random_tokens;

constexpr int kVocab = 64;

const Engine& tiny() {
  static const std::unique_ptr<Engine> engine = lowkey::testing::exact_tiny_engine(kVocab, 2);
  return *engine;
}

bool is_coarse(const CacheSpec& spec) {
  return spec.type == simd::KvType::kQ8_0 || spec.type == simd::KvType::kQ4_0;
}

/// How far two orders of the same float sums, or sums of rounded integers (simd/wide/
/// attend_pairs-inl.h), may drive final hidden states (of size 1) apart.
/// Where a code flips, an element moves by a step: 2^-11 of itself in f16, 2^-8 in bf16, 2^-8 of
/// its block's largest in q8_0, 2^-3 in q4_0; few elements do.
Distance allowed(const CacheSpec& spec) {
  if (spec.type == simd::KvType::kF32) return {1e-4, 1e-5};
  if (is_coarse(spec)) return {0.3, 3e-3};
  return spec.type == simd::KvType::kBF16 ? Distance{0.02, 5e-4} : Distance{0.02, 2e-4};
}

using Exact = std::pair<int, int>;  // sinks, window
class KvCacheTypes : public ::testing::TestWithParam<std::tuple<const char*, Exact>> {
 protected:
  CacheSpec spec() const {
    const auto [name, exact] = GetParam();
    return cache_spec(name, exact.first, exact.second);
  }
  std::vector<float> hidden(std::span<const int32_t> tokens, int n_batch) const {
    Session session = open_session(tiny(), {spec(), 400, n_batch});
    return feed_hidden(session, tokens);
  }
};

// Which copy of a token is read depends on the distance only, so a block sees what steps see. The
// sums run in other orders, or are of integers: that moves floats by some 1e-6, or 1e-5, and now
// and then a code by one step.
TEST_P(KvCacheTypes, BlocksSeeWhatStepsSee) {
  const auto tokens = random_tokens(300, kVocab, 7);
  const std::vector<float> steps = hidden(tokens, 1);
  for (const int n_batch : {13, 100, 300}) {
    const auto apart = distance(hidden(tokens, n_batch), steps);
    EXPECT_LT(apart.mean, allowed(spec()).mean) << "blocks of " << n_batch;
    EXPECT_LT(apart.largest, allowed(spec()).largest) << "blocks of " << n_batch;
  }
}

TEST_P(KvCacheTypes, ExactTokensComeCloserToFloats) {
  const auto tokens = random_tokens(300, kVocab, 8);
  Session session = open_session(tiny(), {cache_spec("f32"), 400, 300});
  const std::vector<float> floats = feed_hidden(session, tokens);
  const double with_exact = distance(hidden(tokens, 300), floats).mean;
  Session coded = open_session(tiny(), {cache_spec(std::get<0>(GetParam())), 400, 300});
  const double without = distance(feed_hidden(coded, tokens), floats).mean;
  if (spec().n_window == 0 || !is_coarse(spec())) {
    EXPECT_LE(with_exact, 1.05 * without + 1e-6);
  } else {
    EXPECT_LT(with_exact, 0.97 * without);
  }
}

TEST_P(KvCacheTypes, UsedBytesFollowTheFormula) {
  Session session = open_session(tiny(), {spec(), 400, 300});
  ASSERT_TRUE(session.feed(random_tokens(100, kVocab, 9)).ok());
  // 2 layers, 2 KV heads, keys and values: 8 vectors of 32 coordinates.
  const int64_t vector = simd::kv_row_bytes(spec().type, 32);
  const int64_t exact = spec().type == simd::KvType::kF32 ? 128 : 64;
  const int64_t n_exact = spec().n_sinks + spec().n_window;
  EXPECT_EQ(session.cache().used_bytes(), 8 * (100 * vector + n_exact * exact));
  EXPECT_EQ(session.cache().layout().coded_bytes_per_token, double(8 * vector));
  EXPECT_EQ(session.cache().layout().bits_per_element(), double(vector) / 4.0);
  session.truncate(2);
  EXPECT_EQ(session.cache().used_bytes(), 8 * (2 * vector + std::min<int64_t>(2, n_exact) * exact));
}

TEST_P(KvCacheTypes, GoingBackALittleLeavesNoTrace) {
  const auto tokens = random_tokens(330, kVocab, 10);
  const std::span<const int32_t> all(tokens);
  for (const int n_batch : {1, 100}) {
    Session session = open_session(tiny(), {spec(), 400, n_batch});
    ASSERT_TRUE(session.feed(all.first(280)).ok());
    ASSERT_TRUE(session.feed(random_tokens(9, kVocab, 11)).ok());
    session.truncate(280);
    const auto again = feed_hidden(session, all.subspan(280));
    Session fresh = open_session(tiny(), {spec(), 400, n_batch});
    ASSERT_TRUE(fresh.feed(all.first(280)).ok());
    EXPECT_EQ(again, feed_hidden(fresh, all.subspan(280))) << "blocks of " << n_batch;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, KvCacheTypes,
    ::testing::Combine(::testing::Values("f32", "f16", "bf16", "q8_0", "q4_0", "q8_0h", "q4_0h"),
                       ::testing::Values(Exact{0, 0}, Exact{4, 0}, Exact{0, 8}, Exact{4, 32})),
    [](const auto& parameter) {
      const Exact exact = std::get<1>(parameter.param);
      return std::string(std::get<0>(parameter.param)) + "_" + std::to_string(exact.first) + "_" +
             std::to_string(exact.second);
    });

// More is cut off than the exact copies reach back: with exact codes nothing may change, and with
// others no query may look beyond what is there.
TEST(KvCache, GoingFarBackIsSafe) {
  const auto tokens = random_tokens(330, kVocab, 12);
  const std::span<const int32_t> all(tokens);
  for (const int64_t left : {0, 1, 10, 16, 255, 256, 257, 300}) {
    Session session = open_session(tiny(), {cache_spec("f32", 4, 8), 400, 330});
    ASSERT_TRUE(session.feed(all).ok());
    session.truncate(left);
    EXPECT_EQ(session.n_tokens(), left);
    const auto rest = all.subspan(size_t(left));
    const auto again = feed_hidden(session, rest);
    Session fresh = open_session(tiny(), {cache_spec("f32", 4, 8), 400, 330});
    ASSERT_TRUE(fresh.feed(all.first(size_t(left))).ok());
    EXPECT_LT(distance(again, feed_hidden(fresh, rest)).largest, 1e-4) << left;
  }
}

TEST(KvCache, OverflowIsAnError) {
  auto cache = KvCache::create(tiny().config(), cache_spec("f16"), 20, 16);
  ASSERT_TRUE(cache.ok());
  EXPECT_FALSE(cache->begin_block(17).ok());
  EXPECT_FALSE(cache->begin_block(0).ok());
  ASSERT_TRUE(cache->begin_block(16).ok());
  cache->commit();
  const Status status = cache->begin_block(5);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(status.error().message().find("at most 20 tokens, found 21"), std::string::npos);
  EXPECT_TRUE(cache->begin_block(4).ok());
}

TEST(KvCache, UnfitSpecsAreErrors) {
  models::ModelConfig config = tiny().config();
  EXPECT_FALSE(KvCache::create(config, cache_spec("f16", -1, 0), 20, 16).ok());
  EXPECT_FALSE(KvCache::create(config, cache_spec("f16", 0, -1), 20, 16).ok());
  config.head_dim = 48;
  EXPECT_TRUE(KvCache::create(config, cache_spec("f16"), 20, 16).ok());
  EXPECT_FALSE(KvCache::create(config, cache_spec("q8_0"), 20, 16).ok());
  config.head_dim = 96;
  EXPECT_TRUE(KvCache::create(config, cache_spec("q4_0"), 20, 16).ok());
  EXPECT_FALSE(KvCache::create(config, cache_spec("q4_0h"), 20, 16).ok());
  const auto unknown = parse_cache_type("q5_0");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message().find("q8_0h, q4_0h, hadamard-k2v2 ... hadamard-k4v4; found "
                                           "'q5_0'"),
            std::string::npos);
}

}  // namespace
}  // namespace lowkey::engine
