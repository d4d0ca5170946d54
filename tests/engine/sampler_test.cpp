// Every sampling option by itself, against what it promises.
#include "engine/sample/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

namespace lowkey::engine {
namespace {

constexpr int kDraws = 4000;
// Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625 of ids 2, 0, 4, 1, 3.
const std::vector<float> kLogits = {-std::log(4.0f), -std::log(16.0f), -std::log(2.0f),
                                    -std::log(16.0f), -std::log(8.0f)};

SamplerOptions plain() {
  SamplerOptions options;
  options.temperature = 1.0f;
  options.top_k = 0;
  options.top_p = 1.0f;
  options.min_p = 0.0f;
  options.seed = 9;
  return options;
}

/// How often each id was drawn; ids never drawn are absent.
std::map<int32_t, int> draws(const SamplerOptions& options, std::vector<int32_t> history = {}) {
  Sampler sampler(options);
  std::map<int32_t, int> counts;
  for (int i = 0; i < kDraws; ++i) ++counts[sampler.next(kLogits, history)];
  return counts;
}

TEST(Sampler, DrawsByProbability) {
  const auto counts = draws(plain());
  const std::map<int32_t, double> expected = {
      {2, 0.5}, {0, 0.25}, {4, 0.125}, {1, 0.0625}, {3, 0.0625}};
  for (const auto& [id, p] : expected) {
    // Five standard deviations of a binomial count.
    EXPECT_NEAR(counts.at(id), kDraws * p, 5 * std::sqrt(kDraws * p * (1 - p))) << id;
  }
}

TEST(Sampler, TemperatureSharpens) {
  SamplerOptions options = plain();
  options.temperature = 0.5f;  // squares the probabilities: 0.25 of 0.3359
  EXPECT_NEAR(draws(options).at(2), kDraws * 0.7442, 5 * std::sqrt(kDraws * 0.19));
}

TEST(Sampler, GreedyTakesTheLowestIdOfATie) {
  SamplerOptions options = plain();
  options.temperature = 0.0f;
  Sampler sampler(options);
  EXPECT_EQ(sampler.next(kLogits, {}), 2);
  EXPECT_EQ(sampler.next(std::vector<float>{0.0f, 1.0f, 1.0f}, {}), 1);
}

TEST(Sampler, TopKKeepsTheBest) {
  SamplerOptions options = plain();
  options.top_k = 1;
  EXPECT_EQ(draws(options), (std::map<int32_t, int>{{2, kDraws}}));
  options.top_k = 2;
  const auto counts = draws(options);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_NEAR(counts.at(0), kDraws / 3.0, 5 * std::sqrt(kDraws * 2.0 / 9.0));
  options.top_k = 100;
  EXPECT_EQ(draws(options).size(), 5u);
}

TEST(Sampler, TopPKeepsTheLeastThatReachesIt) {
  SamplerOptions options = plain();
  options.top_p = 1e-6f;
  EXPECT_EQ(draws(options).size(), 1u);
  options.top_p = 0.6f;
  EXPECT_EQ(draws(options).size(), 2u);
  options.top_p = 0.8f;
  EXPECT_EQ(draws(options).size(), 3u);
}

TEST(Sampler, MinPIsAShareOfTheBest) {
  SamplerOptions options = plain();
  options.min_p = 0.4f;  // of 0.5: 0.2
  EXPECT_EQ(draws(options).size(), 2u);
  options.min_p = 0.2f;
  EXPECT_EQ(draws(options).size(), 3u);
  options.min_p = 1.0f;
  EXPECT_EQ(draws(options).size(), 1u);
}

TEST(Sampler, RepeatPenaltyLooksBackAsFarAsTold) {
  SamplerOptions options = plain();
  options.temperature = 0.0f;
  options.repeat_penalty = 4.0f;  // -0.69 becomes -2.77, below -1.39
  options.repeat_last = 2;
  Sampler sampler(options);
  EXPECT_EQ(sampler.next(kLogits, std::vector<int32_t>{1, 2}), 0);
  EXPECT_EQ(sampler.next(kLogits, std::vector<int32_t>{2, 1, 1}), 2);
  EXPECT_EQ(sampler.next(std::vector<float>{2.0f, 4.0f}, std::vector<int32_t>{1}), 0);
}

TEST(Sampler, TheWantedTokensAreEnough) {
  std::vector<float> logits;
  for (int i = 0; i < 300; ++i) logits.push_back(float(i * 7919 % 1000) / 200 - 2);
  std::vector<Candidate> all;
  for (size_t i = 0; i < logits.size(); ++i) all.push_back({logits[i], int32_t(i)});
  std::sort(all.begin(), all.end(), better);
  std::vector<int32_t> history;
  for (int i = 0; i < 30; ++i) history.push_back(all[size_t(i * 5 % 40)].id);
  const auto check = [&](const SamplerOptions& options, int64_t expected) {
    Sampler whole(options), few(options);
    EXPECT_EQ(few.n_wanted(), expected);
    const size_t n = expected == 0 ? all.size() : size_t(expected);
    std::vector<Candidate> best(all.begin(), all.begin() + int64_t(n));
    std::reverse(best.begin(), best.end());  // their order must not matter
    for (int i = 0; i < 200; ++i) ASSERT_EQ(few.next(best, history), whole.next(logits, history));
  };
  for (const float temperature : {0.0f, 1.0f}) {
    SamplerOptions options;
    options.temperature = temperature;
    options.repeat_last = 20;
    const int64_t kept = temperature == 0.0f ? 1 : 40;
    check(options, kept);
    options.repeat_penalty = 1.5f;
    check(options, kept + 20);
    options.repeat_penalty = 0.5f;
    check(options, 0);
    options.repeat_penalty = 1.0f;
    options.top_k = 0;
    check(options, temperature == 0.0f ? 1 : 0);
  }
}

TEST(Sampler, SeedsGiveStreams) {
  const auto stream = [](uint64_t seed) {
    SamplerOptions options = plain();
    options.seed = seed;
    Sampler sampler(options);
    std::vector<int32_t> ids;
    for (int i = 0; i < 50; ++i) ids.push_back(sampler.next(kLogits, {}));
    return ids;
  };
  EXPECT_EQ(stream(1), stream(1));
  EXPECT_NE(stream(1), stream(2));
}

TEST(Sampler, OptionsOutOfRangeAreNamed) {
  EXPECT_TRUE(check_sampler(plain()).ok());
  EXPECT_TRUE(check_sampler({}).ok());
  const auto refused = [](const char* name, const std::function<void(SamplerOptions&)>& change) {
    SamplerOptions options;
    change(options);
    const Status status = check_sampler(options);
    return !status.ok() && status.error().where == name &&
           status.error().code == ErrorCode::kInvalidArgument;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(refused("--temp", [](auto& o) { o.temperature = -0.1f; }));
  EXPECT_TRUE(refused("--temp", [&](auto& o) { o.temperature = nan; }));
  EXPECT_TRUE(refused("--top-k", [](auto& o) { o.top_k = -1; }));
  EXPECT_TRUE(refused("--top-p", [](auto& o) { o.top_p = 0.0f; }));
  EXPECT_TRUE(refused("--top-p", [](auto& o) { o.top_p = 1.1f; }));
  EXPECT_TRUE(refused("--top-p", [&](auto& o) { o.top_p = nan; }));
  EXPECT_TRUE(refused("--min-p", [](auto& o) { o.min_p = -0.1f; }));
  EXPECT_TRUE(refused("--min-p", [](auto& o) { o.min_p = 1.1f; }));
  EXPECT_TRUE(refused("--repeat-last-n", [](auto& o) { o.repeat_last = -1; }));
  EXPECT_TRUE(refused("--repeat-penalty", [](auto& o) { o.repeat_penalty = 0.0f; }));
}

}  // namespace
}  // namespace lowkey::engine
