// Seeded inputs and comparisons of the vector op tests. Bounds are computed by each test from the
// number of roundings; nothing here knows a tolerance.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <span>
#include <vector>

namespace lowkey::testing {

/// Largest relative error of one rounding of a float.
constexpr double kUnit = 0x1p-24;
/// Relative error that the sets promise for exp.
constexpr double kExpError = 2e-7;
/// Smallest normal float: below it the sets may flush to zero.
constexpr double kTiny = 0x1p-126;

/// Lengths with every tail of every vector width, and some long ones.
inline std::vector<int64_t> swept_lengths() {
  std::vector<int64_t> lengths;
  for (int64_t n = 1; n <= 70; ++n) lengths.push_back(n);
  for (int64_t n : {127, 576, 1536, 4097}) lengths.push_back(n);
  return lengths;
}

/// Normal floats that begin one float after an aligned address, with a guard value behind them.
class Floats {
 public:
  Floats(int64_t n, uint32_t seed, float spread = 1) : data_(size_t(n) + 2, kGuard) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, spread);
    for (float& x : span()) x = normal(random);
  }
  float* data() { return data_.data() + 1; }
  const float* data() const { return data_.data() + 1; }
  std::span<float> span() { return {data(), data_.size() - 2}; }
  float& operator[](int64_t i) { return data()[i]; }
  float operator[](int64_t i) const { return data()[i]; }
  int64_t size() const { return int64_t(data_.size()) - 2; }
  /// No write went past either end.
  bool guarded() const { return data_.front() == kGuard && data_.back() == kGuard; }

 private:
  static constexpr float kGuard = 12345.5f;
  std::vector<float> data_;
};

/// |got - want| <= bound, with a message that finds the place.
inline ::testing::AssertionResult within(double got, double want, double bound, int64_t n,
                                         int64_t index) {
  if (std::abs(got - want) <= bound) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "size " << n << ", element " << index << ": got " << got
                                       << ", expected " << want << " +- " << bound;
}

}  // namespace lowkey::testing

/// Leaves the check with the failure of `result`, if it is one.
#define LK_CHECK_THAT(result) \
  if (auto lk_checked = (result); !lk_checked) return lk_checked
