// The door to oneDNN against sums in double: tails, strides, accumulation, threads side by side.
#include "engine/gemm.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <random>
#include <thread>
#include <vector>

namespace lowkey::engine {
namespace {

struct Problem {
  explicit Problem(const GemmShape& s, uint32_t seed = 1) : shape(s) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    x.resize(size_t(s.m * s.x_stride));
    w.resize(size_t(s.n * s.w_stride));
    y.resize(size_t(s.m * s.y_stride));
    for (auto* values : {&x, &w, &y}) {
      for (float& v : *values) v = normal(random);
    }
  }

  std::vector<float> run() const {
    std::vector<float> out = y;
    gemm_f32(shape, x.data(), w.data(), out.data());
    return out;
  }

  /// Every element within the bound of float sums of k + 1 terms in any order; what lies between
  /// the rows of y untouched.
  ::testing::AssertionResult check(const std::vector<float>& out) const {
    const GemmShape& s = shape;
    for (int64_t i = 0; i < s.m; ++i) {
      for (int64_t j = 0; j < s.y_stride; ++j) {
        const size_t at = size_t(i * s.y_stride + j);
        double sum = j < s.n && !s.accumulate ? 0.0 : double(y[at]), size = std::abs(sum);
        for (int64_t c = 0; j < s.n && c < s.k; ++c) {
          const double product =
              double(x[size_t(i * s.x_stride + c)]) * double(w[size_t(j * s.w_stride + c)]);
          sum += product;
          size += std::abs(product);
        }
        const double bound = j < s.n ? double(s.k + 2) * 0x1p-24 * size : 0.0;
        if (!(std::abs(double(out[at]) - sum) <= bound)) {
          return ::testing::AssertionFailure()
                 << "row " << i << ", column " << j << ": " << out[at] << " instead of " << sum;
        }
      }
    }
    return ::testing::AssertionSuccess();
  }

  GemmShape shape;
  std::vector<float> x, w, y;
};

TEST(Gemm, AllShapesWithTails) {
  for (const int64_t m : {1, 2, 17, 33}) {
    for (const int64_t n : {1, 15, 16, 48, 128}) {
      for (const int64_t k : {1, 31, 64, 100}) {
        const Problem tight({m, n, k, k, k, n, false});
        EXPECT_TRUE(tight.check(tight.run())) << m << " x " << n << " x " << k;
      }
    }
  }
}

TEST(Gemm, StridesAndAccumulation) {
  for (const bool accumulate : {false, true}) {
    for (const int64_t n : {1, 16, 37}) {
      const Problem loose({19, n, 70, 75, 72, n + 5, accumulate});
      EXPECT_TRUE(loose.check(loose.run())) << n << (accumulate ? ", added" : "");
    }
  }
}

TEST(Gemm, ThreadsSideBySide) {
  std::atomic<int> n_good{0};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t i = 0; i < 10; ++i) {
        const Problem problem({20 + t, 48, 64 + i, 64 + i, 64 + i, 48, i % 2 == 1}, 10 * t + i);
        n_good += problem.check(problem.run()) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_good, 40);
}

}  // namespace
}  // namespace lowkey::engine
