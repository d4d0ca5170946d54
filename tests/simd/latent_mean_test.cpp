// What the turned mean of the keys adds to scores: every set against the oracle, which takes the
// phases of each token from the table.
#include <cmath>
#include <numbers>
#include <random>

#include "engine/kv/chunk_table.h"
#include "simd/scalar/ops.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/latent_case.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

constexpr int kPairs = 24, kTokens = 700, kValues = 12;
// Few queries, a part of a group, several groups, and more than a block.
constexpr int kCounts[] = {4, 11, 40, 61};
constexpr int kStartsStride = simd::kLatentStarts + kTokens / simd::kLatentChunk + 1;
// Functions of a chunk are rounded to 6e-8 and cut off below 2.4e-5; sums of 48 terms in float.
constexpr double kPhaseError = 4e-5;
// Where functions and shares are rounded to 16 bits: half a step of 1 / 32767 of what weights reach
// (1.5 times their sum) for each of 28 functions, four standard deviations of their sum.
constexpr double kRounding = 4 * 0.29 * 5.3 * 1.5 / 32767;

std::vector<double> frequencies() {
  std::vector<double> out;
  for (int i = 0; i < kPairs; ++i) out.push_back(std::pow(1e4, -i / double(kPairs)));
  return out;
}

/// Phases token by token; those of chunks' first tokens beside them; weights of which one outweighs
/// all others, so that rounded shares come close to their limits; one too large to be rounded.
enum class Kind { kRows, kStarts, kOneLarge, kTooLarge };

/// A sequence whose keys are their mean alone: no coordinate of a key is stored.
struct MeanCase {
  engine::ChunkTable table = engine::ChunkTable::create(frequencies()).value();
  OwnedPlan k{0, {4}, 1}, v{kValues, {4, 3, 2}, 2};
  LatentRunCase run{k.plan(), v.plan(), kTokens, 3};
  int n_queries;
  std::vector<float> phases, weights, constant, q;
  std::vector<float> starts;  // [2 kPairs, kStartsStride] of the phases, or none
  std::vector<int32_t> begin, end;

  MeanCase(int count, Kind kind) : n_queries(count), q(size_t(count), 0.0f) {
    for (int n = 0; n < kTokens; ++n) {
      for (const double shift : {0.0, std::numbers::pi / 2}) {
        for (const double f : frequencies()) phases.push_back(float(std::cos(n * f - shift)));
      }
    }
    if (kind == Kind::kStarts) starts.resize(2 * kPairs * kStartsStride, 0.25f);
    for (int n = 0; n < kTokens && !starts.empty(); n += simd::kLatentChunk) {
      for (int i = 0; i < 2 * kPairs; ++i) {
        starts[size_t(i * kStartsStride + n / simd::kLatentChunk)] =
            phases[size_t(n * 2 * kPairs + i)];
      }
    }
    std::mt19937 random(4);
    std::normal_distribution<float> normal(0, 0.4f);
    for (int i = 0; i < count * 2 * kPairs; ++i) weights.push_back(normal(random));
    for (int i = 0; i < count && kind >= Kind::kOneLarge; ++i) {
      weights[size_t((2 * i + i / kPairs % 2) * kPairs + i % kPairs)] =
          kind == Kind::kOneLarge ? 30.0f : 300.0f;
    }
    for (int i = 0; i < count; ++i) {
      constant.push_back(normal(random));
      begin.push_back(37 * (i % 5));
      end.push_back(kTokens - 61 * (i % 5));
    }
  }

  struct Outcome {
    std::vector<float> max, sum, out;
  };
  Outcome attend(const simd::KernelSet& set, bool with_mean) const {
    const auto n = size_t(n_queries);
    Outcome o{std::vector<float>(n, -INFINITY), std::vector<float>(n, 0.0f),
              std::vector<float>(n * kValues, 0.0f)};
    const simd::ChunkStarts listed{starts.empty() ? nullptr : starts.data(), kStartsStride};
    const simd::TurnedMean mean{&table.phases(), phases.data(), weights.data(), constant.data(),
                                listed};
    simd::LatentRuns tiles = run.runs(k.plan(), v.plan());
    if (with_mean) tiles.mean = &mean;
    set.latent_attend(tiles, {q.data(), begin.data(), end.data(), n_queries, 1, kValues},
                      {o.max.data(), o.sum.data(), o.out.data()});
    return o;
  }
};

::testing::AssertionResult check_queries(const simd::KernelSet& set, int n_queries, Kind kind) {
  const MeanCase c(n_queries, kind);
  const auto want = c.attend(copy_of_scalar_set(), true), got = c.attend(set, true);
  const std::vector<float> values = c.run.decode(simd::LatentSide::kV, c.v.plan());
  double gain = 1;
  for (int n = 0; n < kTokens; ++n) {
    gain = std::max(gain, double{c.run.gain(simd::LatentSide::kV, n)});
  }
  for (int i = 0; i < n_queries; ++i) {
    double norm = std::abs(double{c.constant[size_t(i)]});
    for (int w = 0; w < 2 * kPairs; ++w)
      norm += std::abs(double{c.weights[size_t(i * 2 * kPairs + w)]});
    const double bound = (kPhaseError + kRounding) * norm + 5e-6;
    LK_CHECK_THAT(within(std::log(got.sum[size_t(i)]) + got.max[size_t(i)],
                         std::log(want.sum[size_t(i)]) + want.max[size_t(i)], bound, i, -1));
    for (int d = 0; d < kValues; ++d) {
      // Weights are rounded to 14 bits of the largest: at most this share of every value.
      double rounding = 0, largest = 0;
      for (int n = c.begin[size_t(i)]; n < c.end[size_t(i)]; ++n) {
        const double z = std::abs(double{values[size_t(n * kValues + d)]});
        rounding += 0.501 * gain / (127 * 128) * z;
        largest = std::max(largest, z);
      }
      const size_t at = size_t(i * kValues + d);
      LK_CHECK_THAT(within(got.out[at] / got.sum[size_t(i)], want.out[at] / want.sum[size_t(i)],
                           rounding + std::expm1(2 * bound) * largest + 1e-5, i, d));
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_mean(const simd::KernelSet& set) {
  for (const int n : kCounts) {
    for (const Kind kind : {Kind::kRows, Kind::kStarts, Kind::kOneLarge, Kind::kTooLarge}) {
      LK_CHECK_THAT(check_queries(set, n, kind));
    }
  }
  return ::testing::AssertionSuccess();
}

TEST(LatentMean, EverySetAddsItToTheScores) { expect_on_every_set(check_mean); }

TEST(LatentMean, CheckNoticesItsAbsence) {
  simd::KernelSet set = copy_of_scalar_set();
  set.latent_attend = [](const simd::LatentRuns& tiles, const simd::QueryBlock& queries,
                         const simd::AttendState& state) {
    simd::LatentRuns without = tiles;
    without.mean = nullptr;
    simd::scalar::latent_attend(without, queries, state);
  };
  EXPECT_FALSE(check_mean(set));
}

TEST(ChunkTable, NoShareOfChangingFunctionsIsBeyondItsReach) {
  const engine::ChunkTable table = engine::ChunkTable::create(frequencies()).value();
  const simd::ChunkPhases& p = table.phases();
  constexpr int kEach = simd::kSlowPolynomials / 2;
  for (int i = 0; i < kPairs; ++i) {
    double largest = 0;
    for (int step = 0; step < 64; ++step) {
      const double angle = step * std::numbers::pi / 128;
      double sum = i < p.n_fast ? std::cos(angle) + std::sin(angle) : 0.0;
      for (int j = 0; j < kEach && i >= p.n_fast; ++j) {
        const float* even = p.slow + (i - p.n_fast) * kEach;
        if (j > 0) sum += std::abs(even[j]) * std::cos(angle);
        sum += std::abs(even[p.n_slow() * kEach + j]) * std::sin(angle);
      }
      largest = std::max(largest, sum);
    }
    EXPECT_LE(largest, p.reach[i] * (1 + 1e-6)) << i;
    EXPECT_GE(largest, 0.4 * p.reach[i]) << i;
  }
}

TEST(ChunkTable, FunctionsMakeUpThePhasesOfAChunk) {
  const std::vector<double> f = frequencies();
  const engine::ChunkTable table = engine::ChunkTable::create(f).value();
  const simd::ChunkPhases& p = table.phases();
  constexpr int kHalf = simd::kLatentChunk / 2;
  EXPECT_EQ(p.n_pairs, kPairs);
  EXPECT_GT(p.n_fast, 0);
  EXPECT_LT(p.n_fast, kPairs);
  for (int i = 0; i < kPairs; ++i) {
    EXPECT_NEAR(p.middle[i], std::cos((kHalf - 0.5) * f[size_t(i)]), 1e-7);
    EXPECT_NEAR(p.middle[kPairs + i], std::sin((kHalf - 0.5) * f[size_t(i)]), 1e-7);
    for (int t = 0; t < kHalf; ++t) {
      double cosine = 0, sine = 0;
      if (i < p.n_fast) {
        cosine = p.functions[2 * i * kHalf + t];
        sine = p.functions[(2 * i + 1) * kHalf + t];
      }
      for (int j = 0; j < simd::kSlowPolynomials && i >= p.n_fast; ++j) {
        const double value = p.functions[(2 * p.n_fast + j) * kHalf + t];
        const int row = j % 2 * p.n_slow() + i - p.n_fast;
        (j % 2 == 0 ? cosine : sine) += value * p.slow[row * simd::kSlowPolynomials / 2 + j / 2];
      }
      EXPECT_NEAR(cosine, std::cos((t + 0.5) * f[size_t(i)]), kPhaseError);
      EXPECT_NEAR(sine, std::sin((t + 0.5) * f[size_t(i)]), kPhaseError);
    }
  }
}

}  // namespace
}  // namespace lowkey::testing
