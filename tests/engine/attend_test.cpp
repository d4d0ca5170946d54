// Attention over the cache against plain softmax attention in double, and the rule that says
// which copy of a token a query reads.
#include "engine/attend/attend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "simd/select.h"
#include "tests/support/cache_filler.h"

namespace lowkey::engine {
namespace {

using lowkey::testing::AttendProblem;
using lowkey::testing::SeenToken;

struct Case {
  const char* name;
  int n_kv_heads, group, n_sinks, n_window, n_tokens, n_batch, n_steps;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

/// The coded copy of a row, far from the row itself: whoever reads the wrong copy is found out.
void bend(MatrixView<float> x, float offset) {
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t c = 0; c < x.cols; ++c) x.row(i)[c] = 0.5f * x.row(i)[c] + offset;
  }
}

CacheSpec bent_spec(int n_sinks, int n_window) {
  CacheSpec spec;
  spec.type = simd::KvType::kF32;
  spec.n_sinks = n_sinks;
  spec.n_window = n_window;
  spec.codec = [](int, int64_t, MatrixView<float> k, MatrixView<float> v) {
    bend(k, 0.25f);
    bend(v, 5.0f);
  };
  return spec;
}

/// Both copies of every row as doubles, [n_tokens * n_kv_heads, head_dim].
struct Copies {
  explicit Copies(const AttendProblem& p)
      : k(p.k.begin(), p.k.end()), v(p.v.begin(), p.v.end()), bent_k(k), bent_v(v) {
    for (double& x : bent_k) x = 0.5 * x + 0.25;
    for (double& x : bent_v) x = 0.5 * x + 5.0;
  }
  std::vector<double> k, v, bent_k, bent_v;
};

std::vector<SeenToken> seen_by(const Case& c, const AttendProblem& p, const Copies& copies,
                               int64_t position, int head) {
  std::vector<SeenToken> seen;
  for (int64_t t = 0; t <= position; ++t) {
    const bool exact = t < c.n_sinks || t > position - c.n_window;
    const int64_t at = (t * p.n_kv_heads + head) * p.head_dim;
    seen.push_back({(exact ? copies.k : copies.bent_k).data() + at,
                    (exact ? copies.v : copies.bent_v).data() + at});
  }
  return seen;
}

AttendProblem problem_of(const Case& c) {
  AttendProblem p;
  p.n_kv_heads = c.n_kv_heads;
  p.group = c.group;
  p.n_tokens = c.n_tokens;
  lowkey::testing::randomise(p, 5);
  return p;
}

std::vector<float> run(const Case& c, const AttendProblem& p, int n_threads) {
  Team team(n_threads);
  const auto kernels = simd::select_kernel_set("");
  EXPECT_TRUE(kernels.ok());
  const Context context{*kernels, &team, Precision::kExact, false};
  auto cache = KvCache::create(p.config(), bent_spec(c.n_sinks, c.n_window), c.n_tokens, c.n_batch);
  EXPECT_TRUE(cache.ok());
  return lowkey::testing::attend_all(context, p, *cache, c.n_batch, c.n_steps);
}

class Attend : public ::testing::TestWithParam<Case> {};

// Scores are sums of 32 products of size 1: off by some 1e-6, which moves weights as much and a
// mean of values below 9 by less than 5e-5. The bent copies differ by about 4.
TEST_P(Attend, EqualsPlainAttentionOverTheRightCopies) {
  const Case& c = GetParam();
  const AttendProblem p = problem_of(c);
  const Copies copies(p);
  const std::vector<float> out = run(c, p, 2);
  ASSERT_EQ(out.size(), p.q.size());
  const int d = p.head_dim, n_heads = c.n_kv_heads * c.group;
  for (int64_t position = 0; position < c.n_tokens; ++position) {
    if (c.n_tokens > 400 && position % 97 != 0 && position < c.n_tokens - 3) continue;
    for (int head = 0; head < n_heads; ++head) {
      const int64_t at = (position * n_heads + head) * d;
      const auto seen = seen_by(c, p, copies, position, head / c.group);
      const auto expected = lowkey::testing::plain_attention(p.q.data() + at, seen, d);
      for (int i = 0; i < d; ++i) {
        ASSERT_NEAR(out[size_t(at + i)], expected[size_t(i)], 5e-5)
            << "position " << position << ", head " << head << ", coordinate " << i;
      }
    }
  }
}

TEST_P(Attend, DoesNotDependOnTheThreads) {
  const AttendProblem p = problem_of(GetParam());
  const std::vector<float> one = run(GetParam(), p, 1);
  EXPECT_EQ(run(GetParam(), p, 2), one);
  EXPECT_EQ(run(GetParam(), p, 4), one);
}

INSTANTIATE_TEST_SUITE_P(Cases, Attend,
                         ::testing::Values(Case{"all_coded", 2, 3, 0, 0, 150, 64, 10},
                                           Case{"sinks", 1, 4, 4, 0, 150, 40, 10},
                                           Case{"many_sinks", 1, 1, 20, 0, 150, 7, 10},
                                           Case{"window_small_blocks", 2, 1, 0, 8, 150, 13, 20},
                                           Case{"window_large_blocks", 1, 3, 0, 8, 150, 64, 20},
                                           Case{"both", 1, 4, 4, 32, 150, 50, 20},
                                           Case{"window_of_one", 1, 1, 0, 1, 60, 16, 20},
                                           Case{"window_and_sinks_hold_all", 1, 1, 30, 60, 80, 33,
                                                9},
                                           Case{"steps_only", 1, 3, 4, 8, 90, 1, 90},
                                           Case{"pages_and_splits", 2, 3, 0, 0, 1300, 512, 20},
                                           Case{"pages_splits_both", 1, 4, 4, 32, 1300, 500, 20},
                                           Case{"window_over_pages", 1, 1, 4, 300, 1300, 512, 20}),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

}  // namespace
}  // namespace lowkey::engine
