// Who touches what on a machine of several memory nodes, by simulation: two sockets of 32 cores, a
// decode step of Llama-3-8B. The plans are those that the engine runs by.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "engine/attend/split.h"
#include "engine/weights/repack.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

constexpr int kSockets = 2, kCores = 32, kThreads = kSockets * kCores;
constexpr int kKvHeads = 8, kGroup = 4, kHeadDim = 128;
constexpr double kTokenBytes = 2.0 * kHeadDim * 2;  // of one head: f16 keys and values

Topology sockets(int n, int n_cores) {
  Topology topology;
  for (int s = 0; s < n; ++s) {
    topology.nodes.emplace_back(size_t(n_cores));
    std::iota(topology.nodes.back().begin(), topology.nodes.back().end(), s * n_cores);
  }
  return topology;
}

ThreadPlan threads() { return plan_threads(sockets(kSockets, kCores), kThreads, Pinning::kNodes); }

TEST(NodePlan, EveryPanelIsReadOnceOnTheNodeThatTouchedIt) {
  const ThreadPlan plan = threads();
  // qkv, o, gate and up, down of Llama-3-8B, and its vocabulary.
  const int64_t rows[] = {6144, 4096, 28672, 4096, 128256};
  double all = 0, slowest = 0, of_node[kSockets] = {};
  for (const int64_t n_rows : rows) {
    const int64_t n_panels = ceil_div(n_rows, simd::kPanelRows);
    const std::vector<int64_t> bounds = node_bounds(plan, n_panels);
    std::vector<int> owner(size_t(n_panels), -1);
    int64_t most = 0;
    for (int t = 0; t < kThreads; ++t) {
      const Range share = thread_share(plan, bounds, t);
      most = std::max(most, share.size());
      for (int64_t p = share.begin; p < share.end; ++p) {
        EXPECT_EQ(owner[size_t(p)], -1) << "two threads own panel " << p;
        owner[size_t(p)] = t;
      }
    }
    for (int64_t p = 0; p < n_panels; ++p) {
      ASSERT_GE(owner[size_t(p)], 0) << "nobody owns panel " << p;
      const int node = plan.node_of[size_t(owner[size_t(p)])];
      EXPECT_TRUE(p >= bounds[size_t(node)] && p < bounds[size_t(node) + 1]);
      of_node[node] += 1;
    }
    all += double(n_panels);
    slowest += double(most);
  }
  EXPECT_NEAR(of_node[0] / all, 0.5, 1e-3);
  EXPECT_LE(slowest, 1.01 * all / kThreads) << "what the joins wait for";
}

/// The same on a team that runs: who packs a panel, and who multiplies with it.
TEST(NodePlan, PackedMatricesAreReadByTheNodesThatPackedThem) {
  constexpr int kTeam = 4;
  Team team(plan_threads(sockets(2, 2), kTeam, Pinning::kNodes));
  const int64_t n_rows = 16 * 37, n_cols = 64;
  const std::vector<std::byte> zeros(size_t(n_rows * dtype_bytes(DType::kQ4_0, n_cols)));
  const models::TensorView tensor{"weights", DType::kQ4_0, n_rows, n_cols, zeros};
  const models::TensorView* const parts[] = {&tensor};
  WeightStore store(team);
  const auto packed = pack(parts, store);
  ASSERT_TRUE(packed.ok()) << packed.error().message();
  EXPECT_EQ(packed->bounds, node_bounds(team.plan(), 37));
  for (const int64_t grain : {1, 4, 37}) {
    std::vector<int> node(37, -1);
    team.parallel_for_owned(packed->bounds, grain, [&](Range panels, int thread) {
      for (int64_t p = panels.begin; p < panels.end; ++p) {
        node[size_t(p)] = team.plan().node_of[size_t(thread)];
      }
    });
    for (int64_t p = 0; p < 37; ++p) EXPECT_EQ(node[size_t(p)], p < packed->bounds[1] ? 0 : 1);
  }
}

/// Node that TileStore touches a token of a head on.
int touched_on(const ThreadPlan& plan, int64_t token, int head) {
  return owner_node(node_turns(plan), token / kPageTokens * kPageTokens, head, kKvHeads);
}

struct Attention {
  double all = 0, remote = 0;
  double of_node[kSockets] = {};
  std::vector<int> reads;  // of every token of every head
};

/// One decode step of one layer at `depth`.
Attention decode_at(const ThreadPlan& plan, int64_t depth) {
  const AttendPlan attend =
      plan_attention({kKvHeads * kGroup, kKvHeads, kHeadDim}, depth, 1, plan.n_nodes);
  std::vector<AttendTask> tasks;
  for (int64_t i = 0; i < attend.n_tasks(); ++i) tasks.push_back(attend.task(i));
  std::vector<int64_t> bounds;
  sort_by_node(plan, kKvHeads, tasks, bounds);
  Attention result;
  result.reads.assign(size_t(kKvHeads * depth), 0);
  for (int node = 0; node < plan.n_nodes; ++node) {
    for (int64_t i = bounds[size_t(node)]; i < bounds[size_t(node) + 1]; ++i) {
      const AttendTask& task = tasks[size_t(i)];
      for (int64_t t = task.coded.begin; t < std::min(task.coded.end, depth); ++t) {
        ++result.reads[size_t(task.head * depth + t)];
        result.all += kTokenBytes;
        result.of_node[node] += kTokenBytes;
        if (touched_on(plan, t, task.head) != node) result.remote += kTokenBytes;
      }
    }
  }
  return result;
}

TEST(NodePlan, EveryCachedTokenIsReadOnceOnTheNodeThatTouchedIt) {
  const ThreadPlan plan = threads();
  for (const int64_t depth : {1, 100, 1023, 1024, 2047, 7168, 8191, 32768}) {
    const Attention step = decode_at(plan, depth);
    for (const int n : step.reads) ASSERT_EQ(n, 1) << depth;
    EXPECT_EQ(step.remote, 0.0) << depth;
    EXPECT_NEAR(step.of_node[0] / step.all, 0.5, 1e-9) << depth;
  }
}

/// Three nodes do not divide eight heads: the last stretch, while it grows, is read by the task of
/// the one before it.
TEST(NodePlan, UnevenHeadsLeaveAtMostOneStretchRemote) {
  const ThreadPlan plan = plan_threads(sockets(3, 8), 24, Pinning::kNodes);
  for (const int64_t depth : {500, 7168, 8191, 32768 + 700}) {
    const AttendPlan attend =
        plan_attention({kKvHeads * kGroup, kKvHeads, kHeadDim}, depth, 1, plan.n_nodes);
    std::vector<AttendTask> tasks;
    for (int64_t i = 0; i < attend.n_tasks(); ++i) tasks.push_back(attend.task(i));
    std::vector<int64_t> bounds;
    sort_by_node(plan, kKvHeads, tasks, bounds);
    ASSERT_EQ(bounds.size(), 4u);
    int64_t remote = 0, largest = 0;
    for (int node = 0; node < 3; ++node) {
      largest = std::max(largest, bounds[size_t(node) + 1] - bounds[size_t(node)]);
      for (int64_t i = bounds[size_t(node)]; i < bounds[size_t(node) + 1]; ++i) {
        const AttendTask& task = tasks[size_t(i)];
        for (int64_t t = task.coded.begin; t < std::min(task.coded.end, depth); ++t) {
          remote += touched_on(plan, t, task.head) != node;
        }
      }
    }
    EXPECT_LT(remote, int64_t{kKvHeads} * kOwnedTokens) << depth;
    EXPECT_LE(largest, ceil_div(attend.n_tasks(), 3)) << depth;
  }
}

TEST(NodePlan, DoesNotChangeWhatAnEngineComputes) {
  lowkey::testing::TinySpec spec;
  spec.head_dim = 32;
  spec.dtype = DType::kQ4_1;
  const std::vector<int32_t> prompt = lowkey::testing::random_tokens(70, spec.n_vocab, 3);
  std::vector<std::vector<float>> logits;
  for (const Topology& topology : {Topology{{{0}}}, sockets(2, 2), sockets(3, 1)}) {
    EngineOptions options;
    options.n_threads = 4;
    options.topology = topology;
    const auto engine = lowkey::testing::tiny_engine(spec, options);
    EXPECT_EQ(engine->context().team->plan().n_nodes, int(topology.nodes.size()));
    Session session = lowkey::testing::open_session(*engine, {{}, 512, 64});
    ASSERT_TRUE(session.feed(prompt).ok());
    ASSERT_TRUE(session.feed(std::vector<int32_t>{5}).ok());
    const auto row = session.logits();
    logits.emplace_back(row.begin(), row.end());
  }
  EXPECT_EQ(logits[1], logits[0]);
  EXPECT_EQ(logits[2], logits[0]);
}

}  // namespace
}  // namespace lowkey::engine
