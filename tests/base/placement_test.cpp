// Where threads stand and who owns what, computed for machines that are not here.
#include "base/placement.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

#include "base/file_map.h"

namespace lowkey {
namespace {

Topology machine(std::initializer_list<int> cpus_by_node) {
  Topology topology;
  int next = 0;
  for (const int n : cpus_by_node) {
    topology.nodes.emplace_back(size_t(n));
    std::iota(topology.nodes.back().begin(), topology.nodes.back().end(), next);
    next += n;
  }
  return topology;
}

class Folder {
 public:
  // Named by its test: others run at the same time.
  Folder()
      : path_(std::filesystem::path(::testing::TempDir()) /
              (std::string("lowkey_topology_") +
               ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  void add(const std::string& node, const std::string& list) {
    std::filesystem::create_directories(path_ / node);
    ASSERT_TRUE(write_file_atomically((path_ / node / "cpulist").string(), list).ok());
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(Topology, ReadsNodesInTheOrderOfTheirNumbers) {
  Folder folder;
  folder.add("node10", "4-5\n");
  folder.add("node2", "0-1,6-7\n");
  folder.add("node3", "\n");  // memory without CPUs
  folder.add("power", "0\n");
  const Topology topology = read_topology(folder.path(), {0, 1, 4, 5, 7});
  ASSERT_EQ(topology.nodes.size(), 2u);
  EXPECT_EQ(topology.nodes[0], (std::vector<int>{0, 1, 7})) << "6 is not allowed";
  EXPECT_EQ(topology.nodes[1], (std::vector<int>{4, 5}));
}

TEST(Topology, IsOneNodeWhereTheSystemSaysNothingOfUse) {
  Folder folder;
  EXPECT_EQ(read_topology(folder.path(), {0, 3}).nodes, (std::vector<std::vector<int>>{{0, 3}}));
  folder.add("node0", "0-1\n");
  folder.add("node1", "rubbish\n");
  EXPECT_EQ(read_topology(folder.path(), {0, 3}).nodes, (std::vector<std::vector<int>>{{0, 3}}))
      << "no node knows CPU 3";
}

TEST(ThreadPlan, OneNodePinsNothingUnlessToldTo) {
  const ThreadPlan plan = plan_threads(machine({4}), 3, Pinning::kNodes);
  EXPECT_EQ(plan.n_nodes, 1);
  for (const auto& cpus : plan.cpus_of) EXPECT_TRUE(cpus.empty());
  const ThreadPlan strict = plan_threads(machine({2}), 3, Pinning::kCpus);
  EXPECT_EQ(strict.cpus_of, (std::vector<std::vector<int>>{{0}, {1}, {0}}));
}

TEST(ThreadPlan, DealsThreadsOutInProportionToCpus) {
  const ThreadPlan plan = plan_threads(machine({32, 32}), 64, Pinning::kCpus);
  ASSERT_EQ(plan.n_threads(), 64);
  for (int t = 0; t < 64; ++t) {
    EXPECT_EQ(plan.node_of[size_t(t)], t / 32);
    EXPECT_EQ(plan.cpus_of[size_t(t)], std::vector<int>{t});
  }
  const ThreadPlan uneven = plan_threads(machine({6, 2}), 4, Pinning::kNodes);
  EXPECT_EQ(uneven.node_of, (std::vector<int>{0, 0, 0, 1}));
  EXPECT_EQ(uneven.cpus_of[3], (std::vector<int>{6, 7}));
}

TEST(ThreadPlan, DropsNodesThatGetNoThread) {
  const ThreadPlan plan = plan_threads(machine({8, 8, 8, 8}), 2, Pinning::kNodes);
  EXPECT_EQ(plan.n_nodes, 2);
  EXPECT_EQ(plan.threads_on(0), 1);
  EXPECT_EQ(plan.threads_on(1), 1);
}

TEST(Ownership, CutsEveryNumberOfThingsWithoutGaps) {
  for (const auto& nodes : {machine({1}), machine({32, 32}), machine({6, 2}), machine({3, 3, 3})}) {
    for (const int n_threads : {1, 2, 5, 64}) {
      const ThreadPlan plan = plan_threads(nodes, n_threads, Pinning::kNodes);
      for (const int64_t n : {0, 1, 7, 256, 8016}) {
        const std::vector<int64_t> bounds = node_bounds(plan, n);
        ASSERT_EQ(bounds.size(), size_t(plan.n_nodes) + 1);
        EXPECT_EQ(bounds.front(), 0);
        EXPECT_EQ(bounds.back(), n);
        for (int k = 0; k < plan.n_nodes; ++k) {
          const double fair = double(n) * plan.threads_on(k) / n_threads;
          EXPECT_NEAR(double(bounds[size_t(k) + 1] - bounds[size_t(k)]), fair, 1.0);
        }
      }
    }
  }
}

TEST(Ownership, TakesTurnsInProportionToThreads) {
  const auto turns = [](const Topology& nodes, int n_threads) {
    return node_turns(plan_threads(nodes, n_threads, Pinning::kNodes));
  };
  EXPECT_EQ(turns(machine({1}), 1), std::vector<int>{0});
  EXPECT_EQ(turns(machine({32, 32}), 64), (std::vector<int>{0, 1})) << "as short as it can be";
  EXPECT_EQ(turns(machine({6, 2}), 4), (std::vector<int>{0, 0, 1, 0}));
}

}  // namespace
}  // namespace lowkey
