#include "base/threads.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include "base/cpu.h"
#include "base/tasks.h"

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

ThreadPlan two_nodes(int on_first, int on_second) {
  ThreadPlan plan = plain_threads(on_first + on_second);
  plan.n_nodes = 2;
  std::fill(plan.node_of.begin() + on_first, plan.node_of.end(), 1);
  return plan;
}

TEST(Team, GivesOwnedWorkToThreadsOfItsOwnerOnly) {
  const ThreadPlan plan = two_nodes(3, 1);
  Team team(plan);
  for (const int64_t n : {1, 2, 9, 1000}) {
    const std::vector<int64_t> bounds = node_bounds(plan, n);
    for (const int64_t grain : {0, 1, 7}) {
      std::vector<int> visits(size_t(n), 0), node(size_t(n), -1);
      team.parallel_for_owned(bounds, grain, [&](Range piece, int thread) {
        for (int64_t i = piece.begin; i < piece.end; ++i) {
          ++visits[size_t(i)];
          node[size_t(i)] = plan.node_of[size_t(thread)];
        }
      });
      for (int64_t i = 0; i < n; ++i) {
        ASSERT_EQ(visits[size_t(i)], 1) << "n " << n << " grain " << grain;
        ASSERT_EQ(node[size_t(i)], i < bounds[1] ? 0 : 1) << "n " << n << " grain " << grain;
      }
    }
  }
}

TEST(Team, OwnedSharesFollowOneAnotherAndAreWhatIsHandedOut) {
  for (const ThreadPlan& plan : {two_nodes(3, 2), plain_threads(4)}) {
    Team team(plan);
    const std::vector<int64_t> bounds = node_bounds(plan, 1000);
    int64_t end = 0;
    for (int thread = 0; thread < team.size(); ++thread) {
      const Range share = team.owned_share(bounds, thread);
      EXPECT_EQ(share.begin, end) << thread;
      end = share.end;
    }
    EXPECT_EQ(end, 1000);
    std::atomic<int> n_shares = 0;  // a piece of any size is a share, whoever takes it
    team.parallel_for_owned(bounds, 999, [&](Range piece, int) {
      for (int thread = 0; thread < team.size(); ++thread) {
        const Range own = team.owned_share(bounds, thread);
        n_shares += piece.begin == own.begin && piece.end == own.end;
      }
    });
    EXPECT_EQ(n_shares, team.size());
  }
}

TEST(Team, SharesWhatItExpectsAmongItsThreads) {
  Team team(4);
  EXPECT_EQ(team.expected(0), nullptr);
  const std::vector<std::byte> bytes(1000);
  team.expect(bytes.data(), int64_t(bytes.size()));
  for (int thread = 0; thread < 4; ++thread) {
    EXPECT_EQ(team.expected(thread), bytes.data() + 250 * thread);
  }
}

TEST(Team, OfManyThreadsHandsOutEverythingOnce) {
  ThreadPlan plan = two_nodes(9, 12);  // groups of eight with threads of both nodes
  Team team(plan);
  for (const int64_t n : {1, 20, 21, 1000}) {
    const std::vector<int64_t> bounds = node_bounds(plan, n);
    for (int round = 0; round < 20; ++round) {
      std::vector<int> visits(size_t(n), 0), owned(size_t(n), 0);
      team.parallel_for(n, 3, [&](Range piece, int) {
        for (int64_t i = piece.begin; i < piece.end; ++i) ++visits[size_t(i)];
      });
      team.parallel_for_owned(bounds, 3, [&](Range piece, int) {
        for (int64_t i = piece.begin; i < piece.end; ++i) ++owned[size_t(i)];
      });
      ASSERT_EQ(visits, std::vector<int>(size_t(n), 1));
      ASSERT_EQ(owned, std::vector<int>(size_t(n), 1));
    }
  }
}

TEST(Team, HelpsAThreadThatIsHeldUp) {
  Team team(2);
  std::atomic<int> done = 0;
  std::vector<int> by(100, -1);
  team.parallel_for(100, 1, [&](Range piece, int thread) {
    by[size_t(piece.begin)] = thread;
    // Whoever takes the first piece waits until the other has done all the rest.
    if (piece.begin == 0) {
      while (done < 99) std::this_thread::yield();
    } else {
      ++done;
    }
  });
  for (int i = 1; i < 50; ++i) EXPECT_EQ(by[size_t(i)], 1 - by[0]) << "of the same share as 0";
}

TEST(Team, DoesAllWorkWhoseBoundsAreOfAnotherPlan) {
  Team team(2);
  const std::vector<int64_t> bounds = node_bounds(two_nodes(1, 1), 100);
  std::vector<int> visits(100, 0);
  team.parallel_for_owned(bounds, 3, [&](Range piece, int) {
    for (int64_t i = piece.begin; i < piece.end; ++i) ++visits[size_t(i)];
  });
  for (const int v : visits) EXPECT_EQ(v, 1);
}

std::vector<int> running_on() {
  cpu_set_t set;
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

TEST(Team, PinsItsThreadsAndLetsTheCallerGoAgain) {
  const std::vector<int> before = running_on();
  ThreadPlan plan = plain_threads(2);
  plan.cpus_of = {{allowed_cpus().front()}, {allowed_cpus().back()}};
  {
    Team team(plan);
    std::vector<std::vector<int>> seen(2);
    team.run([&](int thread) { seen[size_t(thread)] = running_on(); });
    EXPECT_EQ(seen, plan.cpus_of);
    // Tasks still go to as many threads as there are CPUs: two wait for each other here.
    std::atomic<int> here = 0;
    for_each_task(2, 2, [&](int64_t) {
      ++here;
      const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(5);
      while (here < 2 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
      EXPECT_TRUE(here == 2 || cpu_count() == 1);
    });
  }
  EXPECT_EQ(running_on(), before);
}

TEST(Team, OfTheCallerAloneServesManyThreadsAtATime) {
  Team team(4);
  std::vector<int> sums(4, 0);
  team.run([&](int thread) {
    for (int round = 0; round < 1000; ++round) {
      caller_alone().parallel_for(
          5, 1, [&](Range piece, int alone) { sums[size_t(thread)] += int(piece.size()) + alone; });
    }
  });
  for (const int sum : sums) EXPECT_EQ(sum, 5000);
}

TEST(Team, WhatItExpectsNeedNotExist) {
  Team team(3);
  const std::vector<std::byte> bytes(1 << 16);
  int64_t sum = 0;
  std::atomic<int64_t> total = 0;
  for (int round = 0; round < 200; ++round) {
    const auto* data = round % 3 == 0 ? bytes.data() : reinterpret_cast<const std::byte*>(64);
    team.expect(round % 3 == 1 ? nullptr : data, round % 5 == 0 ? 0 : int64_t{1} << (round % 40));
    team.parallel_for(100, 1, [&](Range piece, int) { total += piece.size(); });
    sum += 100;
  }
  EXPECT_EQ(total, sum);
}

TEST(Team, CanBeBuiltAndDroppedWithoutWork) {
  for (int i = 0; i < 50; ++i) Team team(1 + i % 4);
  SUCCEED();
}

}  // namespace
}  // namespace lowkey
