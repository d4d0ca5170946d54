// Forks, cuts and pages of a latent cache: whatever happened to it, it holds and answers what one
// would that was filled in one go.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "tests/support/assets.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/store_script.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::play_store_script;
using lowkey::testing::StoreOutcome;
using Script = std::vector<uint8_t>;

enum Action : uint8_t {
  kAppend = 0,
  kToPageEnd = 3,
  kShortCut = 4,
  kCut = 5,
  kFork = 6,
  kRead = 7
};

constexpr int kLazy = 32, kAdapted = 64, kTurned = 128;  // among the means

/// Two words of a seed, head size 8 << shape, KV heads, group - 1, means (1: they turn; 8, 16, 24:
/// outliers up to 3, 10, 100 %), sinks, window
Script setting(uint8_t means, uint8_t sinks, uint8_t window) {
  return {7, 1, 1, 1, 1, means, sinks, window};
}

void expect_sound(const Script& script) {
  lowkey::testing::expect_on_every_set([&](const simd::KernelSet& kernels) {
    const StoreOutcome outcome = play_store_script(script, kernels);
    if (outcome.failure.empty()) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << outcome.failure;
  });
}

class LatentStore : public ::testing::TestWithParam<std::tuple<int, int, int>> {
 protected:
  Script script(const Script& actions) const {
    const auto [means, sinks, window] = GetParam();
    Script all = setting(uint8_t(means), uint8_t(sinks), uint8_t(window));
    for (const uint8_t word : actions) all.push_back(word);
    return all;
  }
};

TEST_P(LatentStore, BlocksOfAnySizeEqualOneGo) {
  expect_sound(script({kAppend, 0, kAppend, 2, kRead, 20, kAppend, 16, kAppend, 15, kRead, 0,
                       kAppend, 47, kAppend, 30, kRead, 40}));
}

// Both sides go on as if alone, wherever the page that they share was cut.
TEST_P(LatentStore, ForksDivergeAsIfAlone) {
  for (const uint8_t at : {0, 2, 3}) {  // two short of a page's end, at it, one beyond
    expect_sound(script({kToPageEnd, at, kFork, 1, kRead,   3,  kFork, 0, kRead, 9, kFork, 1,
                         kAppend,    20, kFork, 0, kAppend, 40, kRead, 0, kFork, 2, kRead, 1}));
  }
}

TEST_P(LatentStore, CutAndRewrittenItIsAsIfNeverWritten) {
  for (const uint8_t at : {0, 1, 2, 3, 4}) {
    expect_sound(
        script({kToPageEnd, at,  kShortCut, 4,  kRead, 3, kAppend, 30, kShortCut, 16, kRead, 47,
                kCut,       128, kAppend,   47, kRead, 1, kCut,    0,  kAppend,   5,  kRead, 8}));
  }
}

TEST_P(LatentStore, ACutOfOneSideLeavesTheOtherAlone) {
  expect_sound(
      script({kToPageEnd, 3,   kFork,   1,  kShortCut,  9, kRead, 30, kFork, 0, kRead, 2, kFork, 1,
              kCut,       100, kAppend, 40, kToPageEnd, 4, kRead, 5,  kFork, 0, kRead, 1}));
}

INSTANTIATE_TEST_SUITE_P(
    MeansSinksWindow, LatentStore,
    ::testing::Values(
        std::tuple{0, 0, 0}, std::tuple{1, 0, 0}, std::tuple{0, 4, 32}, std::tuple{1, 4, 32},
        std::tuple{7, 6, 3}, std::tuple{3, 0, 17}, std::tuple{17, 4, 32}, std::tuple{24, 0, 5},
        std::tuple{1 + kLazy, 4, 32}, std::tuple{16 + kLazy, 2, 0}, std::tuple{1 + kAdapted, 4, 32},
        std::tuple{kAdapted + kTurned, 0, 0}, std::tuple{1 + kAdapted + kTurned, 4, 32},
        std::tuple{17 + kAdapted + kTurned, 2, 5}, std::tuple{1 + kLazy + kAdapted, 4, 32}));

Script random_script(uint64_t seed) {
  std::mt19937_64 random(seed);
  Script script;
  for (int i = 0; i < 8 + 2 * 24; ++i) script.push_back(uint8_t(random()));
  return script;
}

// latent_tile.h promises that integer queries and weights add less than 1 % to the noise power of
// the codes.
TEST_P(LatentStore, ReadsWhatReconstructionGives) {
  Script reads = {kAppend, 40};
  for (uint8_t i = 0; i < 40; ++i) {
    for (const int word : {int(kAppend), i % 9, int(kRead), 0}) reads.push_back(uint8_t(word));
  }
  for (uint8_t seed = 0; seed < 4; ++seed) {
    Script all = script(reads);
    all[0] = seed;
    const StoreOutcome outcome = play_store_script(all, lowkey::testing::copy_of_scalar_set());
    EXPECT_EQ(outcome.failure, "");
    const bool lazy = std::get<0>(GetParam()) & kLazy;
    EXPECT_TRUE(lazy || outcome.code_noise > 0.0);
    // Exact tokens are halves: numbers of about 2 move by 2^-10, in heads of 16.
    const double halves = double(outcome.n_reads) * 16 * 0x1p-20;
    EXPECT_LT(outcome.plain_error, 0.01 * outcome.code_noise + halves) << "seed " << int(seed);
  }
}

TEST(LatentStoreScripts, RandomOnesAreSound) {
  const simd::KernelSet scalar = lowkey::testing::copy_of_scalar_set();
  StoreOutcome all;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const StoreOutcome outcome = play_store_script(random_script(seed), scalar);
    ASSERT_EQ(outcome.failure, "") << "seed " << seed;
    all.n_forks += outcome.n_forks;
    all.n_cuts += outcome.n_cuts;
    all.n_shared_cut += outcome.n_shared_cut;
    all.n_reads += outcome.n_reads;
    all.n_outliers += outcome.n_outliers;
    all.n_coded_late += outcome.n_coded_late;
    all.n_versions += outcome.n_versions;
    all.n_tokens = std::max(all.n_tokens, outcome.n_tokens);
  }
  EXPECT_GT(all.n_forks, 60);
  EXPECT_GT(all.n_cuts, 60);
  EXPECT_GT(all.n_shared_cut, 30);
  EXPECT_GT(all.n_reads, 100);
  EXPECT_GT(all.n_outliers, 100);
  EXPECT_GT(all.n_coded_late, 20);
  EXPECT_GT(all.n_versions, 20);
  EXPECT_GT(all.n_tokens, 1024) << "no script went over two pages";
}

TEST(LatentStoreScripts, KeptInputsAreSound) {
  const simd::KernelSet scalar = lowkey::testing::copy_of_scalar_set();
  int n_inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           lowkey::testing::source_path("tests/fuzz/corpus/latent_store"))) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(in), {});
    const auto* words = reinterpret_cast<const uint8_t*>(bytes.data());
    EXPECT_EQ(play_store_script({words, bytes.size()}, scalar).failure, "") << entry.path();
    ++n_inputs;
  }
  EXPECT_GE(n_inputs, 3);
}

TEST(LatentStoreScripts, ASpoiltTokenIsFound) {
  const simd::KernelSet scalar = lowkey::testing::copy_of_scalar_set();
  Script script = setting(0, 0, 0);
  for (const int word : {int(kAppend), 20, int(kRead), 3}) script.push_back(uint8_t(word));
  EXPECT_EQ(play_store_script(script, scalar).failure, "");
  EXPECT_NE(play_store_script(script, scalar, true).failure, "");
}

TEST(LatentStoreScripts, AnEmptyScriptIsOne) {
  EXPECT_EQ(play_store_script({}, lowkey::testing::copy_of_scalar_set()).failure, "");
}

}  // namespace
}  // namespace lowkey::engine
