#include "base/half.h"
#include "simd/scalar/ops.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/vector_cases.h"

namespace lowkey::testing {
namespace {

struct Shape {
  int d_in, d_out;
  int64_t stride;
  int n;
};

::testing::AssertionResult check_shape(const simd::KernelSet& set, const Shape& shape,
                                       bool centred) {
  const auto [d_in, d_out, stride, n] = shape;
  const bool on_tiles = n >= 16 && has_float_tiles(set);
  const Floats entries(d_in * stride, 1), mean(d_in, 2), x(int64_t{n} * d_in, 3);
  Floats z(int64_t{n} * d_out, 4);
  std::vector<uint16_t> halves;
  for (int64_t i = 0; i < d_in * stride; ++i) halves.push_back(f32_to_f16(entries[i]));
  const simd::LatentEncoder encoder{d_in,          d_out, stride,
                                    halves.data(), 0.25f, centred ? mean.data() : nullptr};
  set.latent_project(encoder, matrix(x.data(), n, d_in), matrix(z.data(), n, d_out));
  if (!z.guarded()) return ::testing::AssertionFailure() << "wrote past the end";
  for (int t = 0; t < n; ++t) {
    for (int i = 0; i < d_out; ++i) {
      double sum = 0, size = 0;
      for (int j = 0; j < d_in; ++j) {
        const double term = 0.25 * double{f16_to_f32(halves[size_t(j * stride + i)])} *
                            (double{x[int64_t{t} * d_in + j]} - (centred ? double{mean[j]} : 0));
        sum += term;
        size += std::abs(term);
      }
      const int64_t at = int64_t{t} * d_out + i;
      // On tiles three products are summed for each.
      const double rounding = on_tiles ? kTilesError + 2 * d_in * kUnit : 0;
      LK_CHECK_THAT(within(z[at], sum, (rounding + (d_in + 4) * kUnit) * size, d_in, at));
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult check_project(const simd::KernelSet& set) {
  for (const Shape& shape : {Shape{64, 64, 64, 1},
                             {64, 28, 32, 5},
                             {64, 48, 48, 16},
                             {7, 3, 3, 2},
                             {1, 1, 1, 1},
                             {192, 130, 144, 4},
                             {512, 17, 20, 9},
                             {65, 15, 16, 3},
                             {64, 64, 64, 32},
                             {64, 56, 64, 33},
                             {64, 60, 60, 40},
                             {128, 100, 112, 70},
                             {37, 17, 32, 20},
                             {256, 256, 256, 17},
                             {320, 64, 64, 32}}) {
    for (bool centred : {false, true}) LK_CHECK_THAT(check_shape(set, shape, centred));
  }
  return ::testing::AssertionSuccess();
}

TEST(LatentProject, EmulatedTilesAreWithinRounding) { expect_on_emulated_tiles(check_project); }
TEST(LatentProject, EverySetIsWithinRounding) { expect_on_every_set(check_project); }

TEST(LatentProject, CheckNoticesAForgottenMean) {
  simd::KernelSet set = copy_of_scalar_set();
  set.latent_project = [](const simd::LatentEncoder& e, MatrixView<const float> x,
                          MatrixView<float> z) {
    simd::LatentEncoder plain = e;
    plain.mean = nullptr;
    simd::scalar::latent_project(plain, x, z);
  };
  EXPECT_FALSE(check_project(set));
}

}  // namespace
}  // namespace lowkey::testing
