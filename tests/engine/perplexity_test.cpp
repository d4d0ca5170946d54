// Perplexity and divergence on a tiny model against their definitions.
#include "engine/eval/perplexity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "engine/eval/compare_rows.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::cache_spec;
using lowkey::testing::open_session;
using lowkey::testing::random_tokens;

constexpr int kVocab = 64;

class PerplexityTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { engine_ = lowkey::testing::exact_tiny_engine(kVocab, 2); }
  static void TearDownTestSuite() { engine_.reset(); }

  static PerplexityOptions options(const char* cache) {
    PerplexityOptions o;
    o.cache = cache_spec(cache);
    o.n_context = 100;
    o.n_batch = 32;
    return o;
  }

  /// -log softmax(logits)[next] of the second half of one chunk, in double.
  static std::vector<double> direct_nll(std::span<const int32_t> chunk) {
    Session session = open_session(*engine_, {cache_spec("f32"), 100, 1});
    std::vector<double> nll;
    for (size_t p = 0; p + 1 < chunk.size(); ++p) {
      EXPECT_TRUE(session.feed(chunk.subspan(p, 1)).ok());
      if (p < chunk.size() / 2) continue;
      const auto logits = session.logits();
      double sum = 0.0;
      for (const float x : logits) sum += std::exp(double(x));
      nll.push_back(std::log(sum) - double(logits[size_t(chunk[p + 1])]));
    }
    return nll;
  }

  static inline std::unique_ptr<Engine> engine_;
};

TEST_F(PerplexityTest, EqualsItsDefinition) {
  const auto tokens = random_tokens(250, kVocab, 1);  // two chunks, and a rest that is left out
  const std::span<const int32_t> all(tokens);
  std::vector<double> nll = direct_nll(all.first(100));
  for (const double x : direct_nll(all.subspan(100, 100))) nll.push_back(x);
  double sum = 0.0, squares = 0.0;
  for (const double x : nll) sum += x, squares += x * x;
  const double n = double(nll.size()), mean = sum / n;

  std::vector<double> running;
  PerplexityOptions o = options("f32");
  o.progress = [&](int done, int total, double ppl) {
    EXPECT_EQ(done, int(running.size()) + 1);
    EXPECT_EQ(total, 2);
    return running.push_back(ppl), true;
  };
  const auto result = perplexity(*engine_, tokens, o);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->n_chunks, 2);
  ASSERT_EQ(result->n_scored, 98);  // positions 50..98 of each chunk
  for (size_t i = 0; i < nll.size(); ++i) EXPECT_NEAR(double(result->nll[i]), nll[i], 1e-3) << i;
  EXPECT_NEAR(result->ppl / std::exp(mean), 1.0, 1e-4);
  const double stderr_of_mean = std::sqrt((squares / n - mean * mean) / (n - 1));
  EXPECT_NEAR(result->ppl_stderr / (result->ppl * stderr_of_mean), 1.0, 1e-3);
  ASSERT_EQ(running.size(), 2u);
  EXPECT_EQ(running.back(), result->ppl);
  EXPECT_FALSE(result->divergence);
}

TEST_F(PerplexityTest, StopsWithinAChunk) {
  PerplexityOptions o = options("f32");
  int asked = 0;
  o.stopped = [&] { return ++asked == 2; };
  o.progress = [](int, int, double) {
    ADD_FAILURE() << "no chunk was finished";
    return true;
  };
  const auto result = perplexity(*engine_, random_tokens(250, kVocab, 9), o);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(asked, 2);
}

TEST_F(PerplexityTest, CachesSideBySideGiveWhatEachGivesAlone) {
  const auto tokens = random_tokens(250, kVocab, 8);
  PerplexityOptions o = options("f16");
  o.baseline = cache_spec("f32");
  const std::vector<CacheSpec> caches = {cache_spec("q4_0h"), cache_spec("f16")};
  std::vector<float> given;
  o.on_logits = [&](MatrixView<const float> rows) {
    given.insert(given.end(), rows.data, rows.data + rows.rows * rows.cols);
    return Status();
  };
  const auto together = perplexities(*engine_, tokens, o, caches);
  ASSERT_TRUE(together.ok()) << together.error().message();
  ASSERT_EQ(together->size(), 2u);
  const std::vector<float> of_the_first = std::exchange(given, {});
  for (size_t i = 0; i < caches.size(); ++i) {
    o.cache = caches[i];
    const auto alone = perplexity(*engine_, tokens, o);
    ASSERT_TRUE(alone.ok()) << alone.error().message();
    const PerplexityResult& both = (*together)[i];
    EXPECT_EQ(both.nll, alone->nll) << i;
    EXPECT_EQ(both.divergence->mean, alone->divergence->mean) << i;
    EXPECT_EQ(both.divergence->same_top, alone->divergence->same_top) << i;
    EXPECT_EQ(both.divergence->baseline_ppl, alone->divergence->baseline_ppl) << i;
    EXPECT_EQ(both.kv_bytes_total, alone->kv_bytes_total) << i;
    EXPECT_EQ(both.kv_bytes_per_token, alone->kv_bytes_per_token) << i;
    if (i == 0) {
      EXPECT_EQ(given, of_the_first);
    }
  }
  EXPECT_GT((*together)[0].divergence->mean, (*together)[1].divergence->mean);
}

TEST_F(PerplexityTest, ACacheDoesNotDivergeFromItself) {
  PerplexityOptions o = options("q8_0");
  o.baseline = o.cache;
  o.baseline_precision = Precision::kExact;
  const auto result = perplexity(*engine_, random_tokens(100, kVocab, 2), o);
  ASSERT_TRUE(result.ok());
  ASSERT_TRUE(result->divergence);
  EXPECT_LT(result->divergence->p999, 1e-6);  // rounding of sums of 64 probabilities
  EXPECT_EQ(result->divergence->rms_delta_p, 0.0);
  EXPECT_EQ(result->divergence->same_top, 1.0);
  EXPECT_EQ(result->divergence->baseline_ppl, result->ppl);
}

TEST_F(PerplexityTest, CoarserCachesDivergeMore) {
  double last = 1e-6;
  for (const char* cache : {"q8_0", "q4_0"}) {
    PerplexityOptions o = options(cache);
    o.baseline = cache_spec("f32");
    o.baseline_precision = Precision::kExact;
    const auto result = perplexity(*engine_, random_tokens(200, kVocab, 3), o);
    ASSERT_TRUE(result.ok());
    const Divergence& d = *result->divergence;
    EXPECT_GT(d.mean, 2 * last) << cache;
    EXPECT_GT(d.rms_delta_p, 0.0);
    EXPECT_LE(d.median, d.p99);
    EXPECT_LE(d.p99, d.p999);
    EXPECT_GT(d.mean_stderr, 0.0);
    EXPECT_NE(d.baseline_ppl, result->ppl);
    last = d.mean;
  }
}

TEST_F(PerplexityTest, CountsExactTokensApart) {
  PerplexityOptions o = options("q8_0");
  o.cache.n_sinks = 4;
  o.cache.n_window = 8;
  const auto result = perplexity(*engine_, random_tokens(100, kVocab, 4), o);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->exact_tokens, 12);
  EXPECT_EQ(result->kv_bytes_total, 8 * (100 * 34 + 12 * 64));  // 8 vectors of 32 coordinates
}

TEST_F(PerplexityTest, TheFirstTokenCanBeReplaced) {
  auto tokens = random_tokens(100, kVocab, 5);
  PerplexityOptions o = options("f32");
  o.bos = 7;
  const auto replaced = perplexity(*engine_, tokens, o);
  tokens[0] = 7;
  o.bos.reset();
  const auto written = perplexity(*engine_, tokens, o);
  ASSERT_TRUE(replaced.ok() && written.ok());
  EXPECT_EQ(replaced->nll, written->nll);
}

TEST_F(PerplexityTest, ShortTextsAndStopsAreErrors) {
  const auto run = [&](int n_tokens, PerplexityOptions o) {
    return perplexity(*engine_, random_tokens(n_tokens, kVocab, 6), o);
  };
  PerplexityOptions o = options("f32");
  EXPECT_EQ(run(99, o).error().code, ErrorCode::kInvalidData);
  EXPECT_NE(run(99, o).error().message().find("at least 100 tokens, found 99"), std::string::npos);
  o.n_chunks = 2;
  EXPECT_EQ(run(199, o).error().code, ErrorCode::kInvalidData);
  EXPECT_TRUE(run(200, o).ok());
  o.progress = [](int, int, double) { return false; };
  EXPECT_EQ(run(200, o).error().code, ErrorCode::kCancelled);
  o = options("f32");
  o.n_context = 3;
  EXPECT_EQ(run(100, o).error().code, ErrorCode::kInvalidArgument);
}

TEST(CompareRows, KlDivergenceOfTwoCoins) {
  // P = (1/4, 3/4), Q = (1/2, 1/2) from unnormalised logits.
  const std::vector<float> p = {0.25f, 0.75f};
  const std::vector<float> p_logits = {0.0f, std::log(3.0f)}, q_logits = {2.0f, 2.0f};
  const double expected = 0.25 * std::log(0.5) + 0.75 * std::log(1.5);
  EXPECT_NEAR(kl_divergence({p, p_logits, q_logits, std::log(4.0), 2.0 + std::log(2.0)}), expected,
              1e-6);
}

}  // namespace
}  // namespace lowkey::engine
