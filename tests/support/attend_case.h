// One attention problem in KV tiles, the oracle's answer to it, and how far from it a set may be.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "simd/kernel_set.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {

struct AttendShape {
  simd::KvType type = simd::KvType::kF32;
  int d_k = 64;
  int d_v = 64;
  int n_queries = 1;
  int n_tokens = 1;
  bool masked = false;  // random ranges, empty ones among them; else everything is seen
  uint32_t seed = 1;
  float outlier = 1;  // times coordinate 3 of keys, and divides that of queries
};

/// max and sum [n_queries], out [n_queries, d_v], as AttendState keeps them.
struct AttendResult {
  explicit AttendResult(const AttendShape& shape);
  simd::AttendState state() { return {max.data(), sum.data(), out.data()}; }
  std::vector<float> max;
  std::vector<float> sum;
  Floats out;
};

class AttendCase {
 public:
  explicit AttendCase(const AttendShape& shape);
  const AttendShape& shape() const { return shape_; }

  /// Attends in `n_runs` runs, cut at tile borders.
  AttendResult attend(const simd::KernelSet& set, int n_runs) const;
  /// Compares outputs and logarithms of the sums with those of the scalar set.
  ::testing::AssertionResult check(const simd::KernelSet& set, int n_runs = 1) const;

 private:
  void fill_tiles();
  void choose_ranges();
  /// What keys, queries, values and weights are rounded to before they meet.
  enum class Numbers { kFloats, kIntegers, kTwoBf16 };
  Numbers numbers_of(const simd::KernelSet& set) const;
  /// Bound of the error of one output coordinate and of log(sum) of query i.
  double output_bound(int i, int n_runs, Numbers numbers) const;
  double weight_error(int i, int n_runs, Numbers numbers) const;
  double score_size(int i) const;
  double score_rounding(int i, Numbers numbers) const;
  double length_rounding(int i) const;

  AttendShape shape_;
  Floats q_, k_, v_;
  std::vector<int32_t> begin_, end_;
  std::vector<std::byte> tiles_;
  int64_t tile_stride_ = 0;
};

}  // namespace lowkey::testing
