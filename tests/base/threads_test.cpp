#include "base/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

namespace lowkey {
namespace {

class TeamTest : public ::testing::TestWithParam<int> {};

TEST_P(TeamTest, RunCallsEveryThreadOnceInManyRounds) {
  Team team(GetParam());
  ASSERT_EQ(team.size(), GetParam());
  std::vector<int> calls(size_t(GetParam()), 0);  // plain ints: run() itself must order the rounds
  constexpr int kRounds = 2000;
  for (int round = 0; round < kRounds; ++round) {
    team.run([&](int thread) { ++calls[size_t(thread)]; });
  }
  for (const int n : calls) EXPECT_EQ(n, kRounds);
}

TEST_P(TeamTest, ParallelForHandsOutEveryPieceExactlyOnce) {
  Team team(GetParam());
  for (const int64_t n : {0, 1, 2, 7, 64, 1000}) {
    for (const int64_t grain : {0, 1, 3, 64, 5000}) {
      std::vector<int> visits(size_t(n), 0);
      std::atomic<bool> in_range = true;
      team.parallel_for(n, grain, [&](Range piece, int thread) {
        if (thread < 0 || thread >= GetParam() || piece.size() <= 0) in_range = false;
        for (int64_t i = piece.begin; i < piece.end; ++i) ++visits[size_t(i)];
      });
      EXPECT_TRUE(in_range);
      for (const int v : visits) ASSERT_EQ(v, 1) << "n " << n << " grain " << grain;
    }
  }
}

TEST_P(TeamTest, WakesUpAfterSleepingPastItsSpins) {
  Team team(GetParam());
  std::atomic<int> calls = 0;
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    team.run([&](int thread) {
      if (thread == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++calls;
    });
  }
  EXPECT_EQ(calls, 5 * GetParam());
}

TEST_P(TeamTest, EveryThreadOfARunIsAnotherOne) {
  Team team(GetParam());
  std::vector<std::thread::id> ids(size_t(team.size()), std::thread::id());
  team.run([&](int thread) { ids[size_t(thread)] = std::this_thread::get_id(); });
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), ids.size());
  EXPECT_EQ(ids[0], std::this_thread::get_id());
}

INSTANTIATE_TEST_SUITE_P(Sizes, TeamTest, ::testing::Values(1, 2, 3, 4));

TEST(Team, CanBeBuiltAndDroppedWithoutWork) {
  for (int i = 0; i < 50; ++i) Team team(1 + i % 4);
  SUCCEED();
}

}  // namespace
}  // namespace lowkey
