// Attention of several sequences as one set of tasks, on the kernels of this machine: every one
// gets, bit for bit, what it would get alone.
#include <gtest/gtest.h>

#include <random>

#include "engine/attend/attend.h"
#include "engine/attend/side_by_side.h"
#include "engine/traffic/rates.h"
#include "simd/select.h"
#include "tests/support/tiny_engine.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::cache_spec;

constexpr int kHeads = 9, kKvHeads = 3, kHeadDim = 64;
/// Tokens before the block, and in it: decode steps from empty to several splits, and a prompt.
constexpr struct {
  int depth, n;
} kBlocks[] = {{0, 1}, {5, 1}, {300, 1}, {3100, 1}, {40, 16}, {100, 90}};
constexpr size_t kSequences = std::size(kBlocks);

models::ModelConfig one_layer() {
  models::ModelConfig c;
  c.n_layers = 1;
  c.n_heads = kHeads;
  c.n_kv_heads = kKvHeads;
  c.head_dim = kHeadDim;
  c.rope.n_rot = kHeadDim;
  return c;
}

std::vector<float> rows(int64_t n, int n_heads, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(size_t(n * n_heads * kHeadDim));
  for (float& value : x) value = normal(random);
  return x;
}

/// A sequence whose block is written and waits for its attention.
class Sequence {
 public:
  Sequence(const Context& context, const CacheSpec& spec, size_t i)
      : n_(kBlocks[i].n), q_(rows(n_, kHeads, 10 + i)), out_(q_.size()) {
    auto cache = KvCache::create(one_layer(), spec, 4096, 512);
    EXPECT_TRUE(cache.ok()) << cache.error().message();
    cache_ = std::move(cache).value();
    rope_.reserve(4096);
    const int64_t total = kBlocks[i].depth;
    for (int64_t done = 0; done < total; done += 512) {
      begin(context, std::min<int64_t>(512, total - done), 100 * i + uint64_t(done));
      cache_.write(context, 0, rope_, {k(), v()});
      cache_.retain_recent(context, 0, k(), v());
      cache_.commit();
    }
    begin(context, n_, 7 + i);
  }

  AttendBlock block() {
    return {&cache_,
            &rope_,
            0,
            matrix(q_.data(), n_, kHeads * kHeadDim),
            matrix(out_.data(), n_, kHeads * kHeadDim),
            {k(), v()}};
  }
  const std::vector<float>& out() const { return out_; }

 private:
  void begin(const Context& context, int64_t n, uint64_t seed) {
    k_ = rows(n, kKvHeads, seed);
    v_ = rows(n, kKvHeads, seed + 50000);
    EXPECT_TRUE(cache_.begin_block(int(n), context.team).ok());
  }
  MatrixView<float> view(std::vector<float>& x) {
    return matrix(x.data(), int64_t(x.size()) / (kKvHeads * kHeadDim), kKvHeads * kHeadDim);
  }
  MatrixView<float> k() { return view(k_); }
  MatrixView<float> v() { return view(v_); }

  int64_t n_;
  std::vector<float> q_, out_, k_, v_;
  KvCache cache_;
  RopeTable rope_{one_layer().rope};
};

std::vector<std::vector<float>> outputs(Team& team, const CacheSpec& spec, bool together) {
  const Context context{simd::select_kernel_set("").value(), &team, Precision::kDefault, false};
  std::vector<std::unique_ptr<Sequence>> sequences;
  std::vector<AttendBlock> blocks;
  for (size_t i = 0; i < kSequences; ++i) {
    sequences.push_back(std::make_unique<Sequence>(context, spec, i));
    blocks.push_back(sequences.back()->block());
  }
  AttendScratch scratch;
  const AttendShape shape{kHeads, kKvHeads, kHeadDim};
  if (together) attend(context, shape, blocks, scratch);
  for (const AttendBlock& block : blocks) {
    if (!together) attend(context, shape, block, scratch);
  }
  std::vector<std::vector<float>> out;
  for (const auto& sequence : sequences) out.push_back(sequence->out());
  return out;
}

TEST(AttendTogether, GivesEverySequenceWhatItGetsAlone) {
  ThreadPlan nodes = plain_threads(3);
  nodes.n_nodes = 2;
  nodes.node_of = {0, 0, 1};
  for (const CacheSpec& spec :
       {cache_spec("f16"), cache_spec("q8_0h", 4, 32), placeholder_latents(one_layer(), 2.5)}) {
    Team alone(1);
    const auto expected = outputs(alone, spec, false);
    EXPECT_NE(expected[0], expected[1]);
    for (const ThreadPlan& plan : {plain_threads(1), plain_threads(2), nodes}) {
      Team team(plan);
      const auto together = outputs(team, spec, true);
      for (size_t i = 0; i < kSequences; ++i) {
        EXPECT_EQ(together[i], expected[i])
            << cache_name(spec) << ", sequence " << i << ", " << team.size() << " threads";
      }
    }
  }
}

TEST(SideBySide, CallsEachOnceAndOnlySmallOnesOnOneThread) {
  Team team(3);
  const Context context{nullptr, &team, Precision::kDefault, false};
  const int64_t sizes[] = {1, 17, 16, 600, 1};
  std::vector<int> calls(5, 0), threads(5, 0);
  side_by_side(
      context, 5, [&](size_t i) { return sizes[i]; },
      [&](const Context& c, size_t i) {
        ++calls[i];
        threads[i] = c.team->size();
      });
  EXPECT_EQ(calls, std::vector<int>(5, 1));
  EXPECT_EQ(threads, (std::vector<int>{1, 3, 1, 3, 1}));
  side_by_side(
      context, 1, [&](size_t) { return 1; },
      [&](const Context& c, size_t) {
        EXPECT_EQ(c.team->size(), 3) << "a sequence alone has all threads";
      });
}

}  // namespace
}  // namespace lowkey::engine
