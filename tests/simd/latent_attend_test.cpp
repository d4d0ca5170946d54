// The fused kernels against plain attention on reconstructed latents. The bounds follow from what
// the kernels round: queries to 14 bits at least (upper half alone for narrow groups), weights to
// 14 bits of the largest in their chunk (7 for narrow groups), 2^x to 7.5e-5.
#include <algorithm>
#include <cmath>

#include "simd/scalar/ops.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/latent_case.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

using simd::LatentPlan;
using simd::LatentSide;

struct Block {
  std::vector<float> q, max, sum, out;
  std::vector<int32_t> begin, end;
  int d_k = 0, d_v = 0;

  simd::QueryBlock queries() const {
    return {q.data(), begin.data(), end.data(), int(begin.size()), d_k, d_v};
  }
  simd::AttendState state() { return {max.data(), sum.data(), out.data()}; }
};

/// Queries with all kinds of ranges; every other one has attended to something before.
Block random_block(int n_queries, int n_tokens, int d_k, int d_v, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Block b;
  b.d_k = d_k;
  b.d_v = d_v;
  for (int i = 0; i < n_queries; ++i) {
    const bool started = i % 2 == 1;
    int begin = 0, end = n_tokens;
    if (i % 4 >= 2) begin = int(random() % uint32_t(n_tokens + 1));
    if (i % 3 == 2) end = int(random() % uint32_t(n_tokens + 1));
    b.begin.push_back(begin);
    b.end.push_back(i % 7 == 6 ? begin : std::max(begin, end));
    b.max.push_back(started ? normal(random) : -INFINITY);
    b.sum.push_back(started ? 1.5f : 0.0f);
    for (int c = 0; c < d_k; ++c) b.q.push_back(1.5f * normal(random) / std::sqrt(float(d_k)));
    for (int c = 0; c < d_v; ++c) b.out.push_back(started ? normal(random) : 0.0f);
  }
  return b;
}

/// Largest error of a score that the kernels' rounding allows, over the tokens of the run.
double score_error(const LatentPlan& k, const float* q, const std::vector<float>& keys) {
  double largest = 0, worst = 0;
  for (int c = 0; c < k.n_coords; ++c) {
    largest = std::max(largest, std::abs(double{q[c]} * k.steps[c]));
  }
  for (size_t n = 0; k.n_coords > 0 && n < keys.size(); n += size_t(k.n_coords)) {
    double error = 0;
    for (int c = 0; c < k.n_coords; ++c) {
      const bool fine = k.widths[c / simd::kLatentGroup] >= simd::kLatentFineWidth;
      const double rounding = largest * (fine ? 0.501 / (128 * 63) : 64.6 / (128 * 127));
      const double z = std::abs(double{keys[n + size_t(c)]});
      error += z * (rounding / k.steps[c] + 1e-6 * std::abs(q[c]));
    }
    worst = std::max(worst, error);
  }
  return worst + 2 * 7.5e-5 + 2e-6;  // a power of 2 for the weight, and one for its chunk
}

/// What one query's result may differ by, for each coordinate of out / sum.
struct Bounds {
  double log_sum = 0;
  std::vector<double> out;  // [d_v]
};
Bounds query_bounds(const LatentPlan& k, const LatentPlan& v, const LatentRunCase& run,
                    const Block& start, int i) {
  const std::vector<float> keys = run.decode(LatentSide::kK, k),
                           values = run.decode(LatentSide::kV, v);
  const float* q = start.q.data() + i * start.d_k;
  Bounds bounds;
  bounds.log_sum = score_error(k, q, keys);
  const double relative = std::expm1(2 * bounds.log_sum);
  bounds.out.assign(size_t(start.d_v), 0.0);

  std::vector<double> p;  // relative to the start's maximum, or to the largest score
  double top = start.max[size_t(i)], sum = 0, largest = 0, gain = 1;
  for (int n = start.begin[size_t(i)]; n < start.end[size_t(i)]; ++n) {
    double s = 0;
    for (int c = 0; c < k.n_coords; ++c) s += double{q[c]} * keys[size_t(n * k.n_coords + c)];
    p.push_back(s);
    top = std::max(top, s);
    if (v.n_coords > 0) gain = std::max(gain, double{run.gain(LatentSide::kV, n)});
  }
  for (double& s : p) {
    s = std::exp(s - top);
    sum += s;
    largest = std::max(largest, s);
  }
  const double before = std::exp(double{start.max[size_t(i)]} - top);
  sum += before * start.sum[size_t(i)];
  // A chunk may hold tokens that this query does not see, of a larger gain.
  for (int n = 0; n < run.run().n_tokens && v.n_coords > 0; ++n) {
    gain = std::max(gain, double{run.gain(LatentSide::kV, n)});
  }
  const double unit = largest * gain / (127 * 128) * (1 + relative);
  for (int c = 0; c < start.d_v; ++c) {
    double error = relative * before * std::abs(start.out[size_t(i * start.d_v + c)]);
    for (size_t n = 0; n < p.size() && c < v.n_coords; ++n) {
      const int token = start.begin[size_t(i)] + int(n);
      const double z = std::abs(double{values[size_t(token * v.n_coords + c)]});
      const double g = run.gain(LatentSide::kV, token), range = v.steps[c] * 256.0 * g;
      const bool fine = v.widths[c / simd::kLatentGroup] >= simd::kLatentFineValueWidth;
      error += p[n] * (relative * z + 2e-6 * range) + (fine ? 0.501 : 127.6) * unit * z / g;
    }
    bounds.out[size_t(c)] = error / sum + 1e-6;
  }
  return bounds;
}

struct Case {
  int n_coords_k, n_coords_v;
  std::vector<int> widths;
  int n_tokens, n_queries;
  float sharpness = 1;  // of the softmax
};

::testing::AssertionResult check_query(const Block& got, const Block& want, const Bounds& bounds,
                                       size_t i) {
  const size_t d = size_t(want.d_v);
  if (want.sum[i] == 0) {
    return got.sum[i] == 0 && got.max[i] == want.max[i]
               ? ::testing::AssertionSuccess()
               : ::testing::AssertionFailure() << "query " << i << " saw what it must not see";
  }
  LK_CHECK_THAT(within(std::log(got.sum[i]) + got.max[i], std::log(want.sum[i]) + want.max[i],
                       bounds.log_sum, int64_t(i), -1));
  for (size_t c = 0; c < d; ++c) {
    LK_CHECK_THAT(within(got.out[i * d + c] / got.sum[i], want.out[i * d + c] / want.sum[i],
                         bounds.out[c], int64_t(i), int64_t(c)));
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_case(const simd::KernelSet& set, const Case& c) {
  const OwnedPlan k(c.n_coords_k, c.widths, 1), v(c.n_coords_v, c.widths, 2);
  const LatentRunCase run(k.plan(), v.plan(), c.n_tokens, uint32_t(c.n_tokens));
  Block start = random_block(c.n_queries, c.n_tokens, c.n_coords_k + 3, c.n_coords_v + 5,
                             uint32_t(7 * c.n_queries));
  for (float& x : start.q) x *= c.sharpness;
  Block want = start, got = start;
  simd::scalar::latent_attend(run.runs(k.plan(), v.plan()), want.queries(), want.state());
  set.latent_attend(run.runs(k.plan(), v.plan()), got.queries(), got.state());
  for (int i = 0; i < c.n_queries; ++i) {
    const Bounds bounds = query_bounds(k.plan(), v.plan(), run, start, i);
    const auto result = check_query(got, want, bounds, size_t(i));
    if (!result) {
      return ::testing::AssertionFailure()
             << result.message() << " (" << c.n_coords_k << " K and " << c.n_coords_v
             << " V coordinates, first width " << c.widths[0] << ", " << c.n_tokens << " tokens, "
             << c.n_queries << " queries)";
    }
  }
  return ::testing::AssertionSuccess();
}

/// Queries of a case: of each width, of each length with falling and with mixed widths, of each
/// number of coordinates.
struct QueryCounts {
  int by_width, by_length, mixed, by_size;
};

::testing::AssertionResult check_attend(const simd::KernelSet& set) {
  const std::vector<int> falling = {8, 6, 5, 4, 4, 3, 2, 2, 1}, mixed = {1, 8, 3, 7};
  // Few queries, and so many that a set with matrix tiles takes them.
  for (const QueryCounts& n : {QueryCounts{3, 3, 5, 3}, {16, 8, 9, 11}}) {
    for (int width : simd::kLatentWidths) {
      LK_CHECK_THAT(check_case(set, {28, 48, {width}, 200, n.by_width}));
    }
    for (int length : {1, 15, 16, 17, 33, 64, 65, 100, 127, 128, 129, 300, 700}) {
      LK_CHECK_THAT(check_case(set, {28, 48, falling, length, n.by_length}));
      LK_CHECK_THAT(check_case(set, {9, 13, mixed, length, n.mixed}));
    }
    for (const auto& [k, v] :
         {std::pair(0, 0), {0, 8}, {8, 0}, {1, 1}, {3, 64}, {64, 2}, {68, 132}, {512, 512}}) {
      LK_CHECK_THAT(check_case(set, {k, v, falling, 150, n.by_size}));
    }
  }
  for (int n_queries : {1, 2, 4, 5, 8, 16, 17, 41, 48, 49, 100}) {
    LK_CHECK_THAT(check_case(set, {28, 48, falling, 300, n_queries}));
  }
  LK_CHECK_THAT(check_case(set, {512, 300, falling, 150, 50}));  // whose sums leave room for fewer
  // Scores that rise by little, and by far more than a sum's unit lets them.
  for (float sharpness : {0.1f, 4.0f, 12.0f, 60.0f}) {
    for (int n_queries : {3, 16}) {
      LK_CHECK_THAT(check_case(set, {28, 48, falling, 700, n_queries, sharpness}));
    }
  }
  return ::testing::AssertionSuccess();
}

TEST(LatentAttend, EverySetIsWithinItsRounding) { expect_on_every_set(check_attend); }

TEST(LatentAttend, EmulatedTilesAreWithinTheirRounding) { expect_on_emulated_tiles(check_attend); }

TEST(LatentAttend, SegmentsInAnyOrderAddUp) {
  expect_on_every_set([](const simd::KernelSet& set) -> ::testing::AssertionResult {
    const OwnedPlan k(28, {6, 4, 2}, 1), v(48, {4, 3, 2}, 2);
    const LatentRunCase run(k.plan(), v.plan(), 512, 3);
    const Block start = random_block(1, 512, 28, 48, 4);
    Block whole = start, parts = start;
    set.latent_attend(run.runs(k.plan(), v.plan()), whole.queries(), whole.state());
    for (int tile : {16, 0}) {
      simd::KvRun half = run.run();
      half.k += tile * half.tile_stride;
      half.v += tile * half.tile_stride;
      half.n_tokens = 256;
      parts.end[0] = 256;
      set.latent_attend({k.plan(), v.plan(), &half, 1, nullptr}, parts.queries(), parts.state());
    }
    const Bounds bounds = query_bounds(k.plan(), v.plan(), run, start, 0);
    return check_query(parts, whole, bounds, 0);
  });
}

Block attended(const simd::KernelSet& set, const simd::LatentRuns& tiles, const Block& start) {
  Block block = start;
  set.latent_attend(tiles, block.queries(), block.state());
  return block;
}

::testing::AssertionResult same_bits(const Block& a, const Block& b) {
  if (a.max == b.max && a.sum == b.sum && a.out == b.out) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "results differ";
}

TEST(LatentAttend, RunsAreOneSequence) {
  expect_on_every_set([](const simd::KernelSet& set) -> ::testing::AssertionResult {
    const OwnedPlan k(28, {6, 4, 2}, 1), v(48, {4, 3, 2}, 2);
    const LatentRunCase run(k.plan(), v.plan(), 700, 3);
    const Block start = random_block(5, 700, 28, 48, 4);
    std::vector<simd::KvRun> parts;
    for (const auto& [begin, n] : {std::pair(0, 128), {128, 384}, {512, 188}}) {
      const int64_t offset = begin / simd::kTileTokens * run.run().tile_stride;
      parts.push_back({run.run().k + offset, run.run().v + offset, run.run().tile_stride, n});
    }
    const auto hint = std::as_bytes(std::span(start.q));  // hints change nothing
    const std::span<const std::byte> later[] = {hint.first(20), {}, hint};
    const simd::LatentRuns cut{k.plan(), v.plan(), parts.data(), 3, nullptr, hint, later};
    return same_bits(attended(set, cut, start), attended(set, run.runs(k.plan(), v.plan()), start));
  });
}

TEST(LatentAttend, HiddenTokensAreNotRead) {
  expect_on_every_set([](const simd::KernelSet& set) -> ::testing::AssertionResult {
    const OwnedPlan k(28, {6, 4, 2}, 1), v(48, {4, 3, 2}, 2);
    LatentRunCase run(k.plan(), v.plan(), 300, 3);
    const Block start = random_block(1, 300, 28, 48, 4);
    const Block all = attended(set, run.runs(k.plan(), v.plan()), start);
    Block short_start = start;
    short_start.end[0] = 128;
    const Block first = attended(set, run.runs(k.plan(), v.plan()), short_start);
    for (int t = 128; t < 300; ++t) run.hide(t);
    LK_CHECK_THAT(same_bits(attended(set, run.runs(k.plan(), v.plan()), start), first));
    run.hide(5);
    const Block hidden = attended(set, run.runs(k.plan(), v.plan()), start);
    EXPECT_LT(hidden.sum[0], first.sum[0] * (1 + 1e-6f));
    EXPECT_FALSE(same_bits(hidden, first));
    EXPECT_FALSE(same_bits(all, first));
    return ::testing::AssertionSuccess();
  });
}

TEST(LatentAttend, CheckNoticesOneTokenTooMany) {
  simd::KernelSet set = copy_of_scalar_set();
  set.latent_attend = [](const simd::LatentRuns& tiles, const simd::QueryBlock& queries,
                         const simd::AttendState& state) {
    std::vector<int32_t> end(queries.end, queries.end + queries.n_queries);
    for (int32_t& e : end) e = std::min(e + 1, tiles.runs[0].n_tokens);
    simd::QueryBlock more = queries;
    more.end = end.data();
    simd::scalar::latent_attend(tiles, more, state);
  };
  EXPECT_FALSE(check_attend(set));
}

TEST(LatentAttend, CheckNoticesALostHalfStep) {
  simd::KernelSet set = copy_of_scalar_set();
  set.latent_attend = [](const simd::LatentRuns& tiles, const simd::QueryBlock& queries,
                         const simd::AttendState& state) {
    simd::scalar::latent_attend(tiles, queries, state);
    for (int i = 0; i < queries.n_queries && tiles.v.n_coords > 0; ++i) {
      state.out[i * queries.d_v] -= 0.5f * tiles.v.steps[0] * state.sum[i];
    }
  };
  EXPECT_FALSE(check_attend(set));
}

}  // namespace
}  // namespace lowkey::testing
