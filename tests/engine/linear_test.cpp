// y = W x by every path: float, two kinds of integers, bf16; stacked parts of different formats.
// Rows of W come from Linear::row(), which repack_test holds to the file formats.
#include "engine/weights/linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "simd/select.h"
#include "tests/support/tiny_model.h"

namespace lowkey::engine {
namespace {

constexpr int64_t kCols = 256;

/// Tensors of some types, [n_rows, kCols] each, with the bytes that they view.
class Parts {
 public:
  void add(DType dtype, int64_t n_rows) {
    const uint64_t seed = bytes_.size() + 1;
    std::mt19937_64 random(seed);
    std::vector<float> values;
    for (int64_t i = 0; i < n_rows * kCols; ++i)
      values.push_back(float(int(random() % 255) - 127) / 512);
    const bool is_float = dtype_info(dtype).block_elements == 1;
    bytes_.push_back(is_float ? lowkey::testing::encode_floats(dtype, values)
                              : lowkey::testing::random_blocks(dtype, n_rows * kCols, seed));
    types_.push_back(dtype);
    rows_.push_back(n_rows);
  }

  Linear pack() const {
    std::vector<models::TensorView> views;
    for (size_t i = 0; i < bytes_.size(); ++i) {
      views.push_back({"w", types_[i], rows_[i], kCols, std::as_bytes(std::span(bytes_[i]))});
    }
    std::vector<const models::TensorView*> pointers;
    for (const models::TensorView& view : views) pointers.push_back(&view);
    Team team(2);
    WeightStore store(team);
    auto linear = Linear::pack(pointers, store);
    LK_CHECK(linear.ok(), linear.error().message().c_str());
    return std::move(linear).value();
  }

 private:
  std::vector<std::string> bytes_;
  std::vector<DType> types_;
  std::vector<int64_t> rows_;
};

struct Path {
  const char* name;
  Precision precision;
  bool bf16_prefill;
  double activation_error;  // of an activation, relative to the largest of its block of 32
};

// 15 bits: half a step of 1 / (127 * 128). 8 bits: the same by `hi` alone, half a step of 1 / 127,
// with a little room for the uneven range of `lo`. bf16 rounds weights as well: 2 * 2^-9.
constexpr Path kPaths[] = {{"exact", Precision::kExact, false, 0.0},
                           {"default", Precision::kDefault, false, 0.5 / (127 * 128)},
                           {"fast", Precision::kFast, false, 0.51 / 127},
                           {"bf16", Precision::kDefault, true, 0x1.01p-8}};

class LinearTest : public ::testing::TestWithParam<Path> {
 protected:
  /// Compares W x with double sums, element by element, within the bound of the path.
  void check(const Linear& linear, int64_t n_tokens, bool accumulate) {
    const Path& path = GetParam();
    Team team(2);
    const auto kernels = simd::select_kernel_set("");
    ASSERT_TRUE(kernels.ok());
    const Context context{*kernels, &team, path.precision, path.bf16_prefill};
    const int64_t n_rows = linear.n_rows(), stride = n_rows + 3;
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    std::vector<float> x(size_t(n_tokens * (kCols + 5))), y(size_t(n_tokens * stride));
    for (float& value : x) value = normal(random);
    for (float& value : y) value = normal(random);
    const std::vector<float> before = y;
    auto scratch = ActivationScratch::allocate(n_tokens, kCols);
    ASSERT_TRUE(scratch.ok());
    const MatrixView<const float> input{x.data(), n_tokens, kCols, kCols + 5};
    linear.apply(context, input, scratch->rows(), {y.data(), stride, accumulate});
    std::vector<float> w(kCols);
    for (int64_t row = 0; row < n_rows; ++row) {
      linear.row(row, w.data());
      for (int64_t t = 0; t < n_tokens; ++t) {
        const size_t at = size_t(t * stride + row);
        const double start = accumulate ? double(before[at]) : 0.0;
        expect_near(y[at], start, w, input.row(t));
      }
    }
    for (int64_t t = 0; t < n_tokens; ++t) {
      for (int64_t i = t * stride + n_rows; i < (t + 1) * stride; ++i) {
        ASSERT_EQ(y[size_t(i)], before[size_t(i)]) << "written beyond the rows";
      }
    }
  }

 private:
  static void expect_near(float found, double start, const std::vector<float>& w, const float* x) {
    double sum = start, size = std::abs(start), rounded = 0.0;
    for (int64_t block = 0; block < kCols; block += 32) {
      double largest = 0.0, weights = 0.0;
      for (int64_t c = block; c < block + 32; ++c) {
        sum += double(w[size_t(c)]) * double(x[c]);
        // A code minus its offset cancels: what is added up may be this much larger than w.
        size += (std::abs(double(w[size_t(c)])) + 0.5) * std::abs(double(x[c]));
        largest = std::max(largest, std::abs(double(x[c])));
        weights += std::abs(double(w[size_t(c)]));
      }
      rounded += GetParam().activation_error * largest * weights;
    }
    ASSERT_NEAR(double(found), sum, rounded + double(kCols + 8) * 0x1p-24 * size);
  }
};

TEST_P(LinearTest, EveryFormat) {
  for (const DType dtype :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
        DType::kQ5_0, DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    Parts parts;
    parts.add(dtype, 37);
    const Linear linear = parts.pack();
    ASSERT_EQ(linear.n_rows(), 37);
    for (const int64_t n_tokens : {1, 3, 15, 16, 40, 64}) {
      SCOPED_TRACE(std::string(dtype_info(dtype).name) + ", " + std::to_string(n_tokens));
      check(linear, n_tokens, false);
    }
    check(linear, 2, true);
    check(linear, 20, true);
    check(linear, 70, true);
    if (HasFatalFailure()) return;
  }
}

TEST_P(LinearTest, StackedPartsOfDifferentFormats) {
  Parts parts;
  parts.add(DType::kQ4_1, 32);
  parts.add(DType::kQ4_1, 19);  // same format, a tail
  parts.add(DType::kQ6_K, 16);
  parts.add(DType::kF16, 21);
  parts.add(DType::kQ8_0, 200);
  const Linear linear = parts.pack();
  ASSERT_EQ(linear.n_rows(), 288);
  ASSERT_EQ(linear.n_cols(), kCols);
  // 300: dealt out by tokens, the last piece is a part of one.
  for (const int64_t n_tokens : {1, 5, 33, 300}) check(linear, n_tokens, n_tokens % 2 == 0);
  check(linear, 5, true);
}

INSTANTIATE_TEST_SUITE_P(Paths, LinearTest, ::testing::ValuesIn(kPaths),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

}  // namespace
}  // namespace lowkey::engine
