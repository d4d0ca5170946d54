#include "simd/scalar/ops.h"
#include "tests/support/attend_case.h"
#include "tests/support/kernel_harness.h"

namespace lowkey::testing {
namespace {

using simd::KvType;

constexpr KvType kTypes[] = {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kQ8_0,
                             KvType::kQ4_0};

/// Runs one case on every set; `shape` is named when it fails.
::testing::AssertionResult check_shape(const simd::KernelSet& set, const AttendShape& shape,
                                       int n_runs = 1) {
  const ::testing::AssertionResult result = AttendCase(shape).check(set, n_runs);
  if (result) return result;
  return ::testing::AssertionFailure()
         << "type " << int(shape.type) << ", d_k " << shape.d_k << ", d_v " << shape.d_v << ", "
         << shape.n_queries << " queries, " << shape.n_tokens << " tokens, masked " << shape.masked
         << ": " << result.message();
}

::testing::AssertionResult check_lengths(const simd::KernelSet& set) {
  std::vector<int> lengths{95, 96, 97, 127, 128, 129, 191, 192, 200};
  for (int n = 0; n <= 70; ++n) lengths.push_back(n);
  for (KvType type : kTypes) {
    for (int n : lengths) {
      for (bool masked : {false, true}) {
        LK_CHECK_THAT(check_shape(set, {type, 64, 64, 1 + n % 4, n, masked, uint32_t(n)}));
        LK_CHECK_THAT(check_shape(set, {type, 64, 64, 9 + n % 30, n, masked, uint32_t(n)}));
      }
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_query_counts(const simd::KernelSet& set) {
  std::vector<int> counts{31, 32, 33, 48, 63, 64, 65, 96};
  for (int n = 1; n <= 20; ++n) counts.push_back(n);
  for (KvType type : kTypes) {
    for (int n_queries : counts) {
      LK_CHECK_THAT(check_shape(set, {type, 64, 64, n_queries, 77, n_queries % 2 == 0, 5}));
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_head_sizes(const simd::KernelSet& set) {
  for (KvType type : kTypes) {
    std::vector<std::pair<int, int>> sizes{{32, 32}, {96, 96}, {128, 128}, {256, 256},
                                           {64, 32}, {32, 96}, {288, 64}};
    if (type < KvType::kQ8_0) {
      for (int d : {1, 3, 8, 33, 48, 80}) sizes.push_back({d, d});
      sizes.push_back({7, 21});
    }
    for (auto [d_k, d_v] : sizes) {
      for (int n_queries : {1, 3, 4, 11, 40}) {
        LK_CHECK_THAT(check_shape(set, {type, d_k, d_v, n_queries, 69, true, 11}));
      }
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_runs(const simd::KernelSet& set) {
  for (KvType type : kTypes) {
    for (int n_runs : {2, 3, 7}) {
      for (int n_queries : {3, 10, 50}) {
        LK_CHECK_THAT(check_shape(set, {type, 64, 64, n_queries, 150, true, 21}, n_runs));
      }
    }
  }
  return ::testing::AssertionSuccess();
}

// Coordinates that are far larger than others, in all keys or in all queries, leave the others
// their precision.
::testing::AssertionResult check_outliers(const simd::KernelSet& set) {
  for (KvType type : {KvType::kF16, KvType::kBF16}) {
    for (float outlier : {1e-3f, 1e3f}) {
      for (int n_queries : {4, 96, 300}) {
        LK_CHECK_THAT(check_shape(set, {type, 64, 64, n_queries, 99, false, 7, outlier}));
      }
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_all(const simd::KernelSet& set) {
  for (const KernelCheck check :
       {check_lengths, check_query_counts, check_head_sizes, check_outliers, check_runs}) {
    LK_CHECK_THAT(check(set));
  }
  return ::testing::AssertionSuccess();
}

TEST(Attend, EmulatedTilesMatchTheOracle) { expect_on_emulated_tiles(check_all); }
TEST(Attend, MatchesTheOracleAtEveryLength) { expect_on_every_set(check_lengths); }
TEST(Attend, MatchesTheOracleForEveryNumberOfQueries) { expect_on_every_set(check_query_counts); }
TEST(Attend, MatchesTheOracleForEveryHeadSize) { expect_on_every_set(check_head_sizes); }
TEST(Attend, MatchesTheOracleWithOutlyingCoordinates) { expect_on_every_set(check_outliers); }
TEST(Attend, SeveralRunsEqualOne) { expect_on_every_set(check_runs); }

// Two tokens with equal scores: the mean of their values, and a sum of exactly two.
TEST(Attend, OracleAveragesEqualTokens) {
  const AttendShape shape{KvType::kF32, 4, 4, 1, 2, false, 1};
  std::vector<std::byte> tile(size_t(2 * simd::kv_part_bytes(shape.type, 4)));
  const float key[] = {1, 2, 3, 4}, first[] = {1, 0, 2, 0}, second[] = {3, 0, 0, 8};
  std::byte* values = tile.data() + simd::kv_part_bytes(shape.type, 4);
  for (int t : {0, 1}) {
    simd::scalar::encode_k(shape.type, key, 4, t, tile.data());
    simd::scalar::encode_v(shape.type, t ? second : first, 4, t, values);
  }
  AttendResult result(shape);
  const int32_t begin = 0, end = 2;
  simd::scalar::attend(shape.type, {tile.data(), values, int64_t(tile.size()), 2},
                       {key, &begin, &end, 1, 4, 4}, result.state());
  EXPECT_EQ(result.max[0], 30);
  EXPECT_EQ(result.sum[0], 2);
  EXPECT_EQ(result.out[0] / 2, 2);
  EXPECT_EQ(result.out[3] / 2, 4);
}

TEST(Attend, CheckNoticesAnIgnoredMask) {
  simd::KernelSet set = copy_of_scalar_set();
  set.attend = [](KvType type, const simd::KvRun& run, const simd::QueryBlock& queries,
                  const simd::AttendState& state) {
    const std::vector<int32_t> begin(size_t(queries.n_queries), 0);
    simd::QueryBlock unmasked = queries;
    unmasked.begin = begin.data();
    simd::scalar::attend(type, run, unmasked, state);
  };
  EXPECT_FALSE(check_runs(set));
}

TEST(Attend, CheckNoticesAForgottenRescaling) {
  simd::KernelSet set = copy_of_scalar_set();
  set.attend = [](KvType type, const simd::KvRun& run, const simd::QueryBlock& queries,
                  const simd::AttendState& state) {
    const std::vector<float> before(state.sum, state.sum + queries.n_queries);
    simd::scalar::attend(type, run, queries, state);
    for (int i = 0; i < queries.n_queries; ++i) state.sum[i] += 1e-3f * before[size_t(i)];
  };
  EXPECT_FALSE(check_runs(set));
}

}  // namespace
}  // namespace lowkey::testing
