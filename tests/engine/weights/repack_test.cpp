#include "engine/weights/repack.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tests/support/assets.h"
#include "tests/support/kernel_harness.h"
#include "tests/support/random_panels.h"

namespace lowkey::testing {
namespace {

using models::TensorView;

std::string read_golden(const std::string& name) {
  std::ifstream file(source_path("tests/golden/blocks/" + name), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<float> as_floats(const std::string& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

TensorView view_of(const std::string& bytes, DType dtype, int64_t n_rows, int64_t n_cols) {
  return {"test.weight", dtype, n_rows, n_cols,
          std::as_bytes(std::span<const char>(bytes.data(), bytes.size()))};
}

/// Every row by unpack_row, [n_rows, n_cols].
std::vector<float> unpack_all(const simd::PanelMatrix& m) {
  std::vector<float> rows(size_t(m.n_rows * m.n_cols));
  for (int64_t r = 0; r < m.n_rows; ++r) engine::unpack_row(m, r, rows.data() + r * m.n_cols);
  return rows;
}

struct GoldenType {
  DType dtype;
  bool exact;  // else scales are products that f16 rounds
};

class RepackGoldenTest : public ::testing::TestWithParam<GoldenType> {};

TEST_P(RepackGoldenTest, AgreesWithGgufDequantisation) {
  const std::string name(dtype_info(GetParam().dtype).name);
  const std::string blocks = read_golden(name + ".blocks");
  const std::vector<float> expected = as_floats(read_golden(name + ".f32"));
  ASSERT_EQ(expected.size(), 512u);
  const std::vector<float> size = as_floats(read_golden(name + ".size"));
  ASSERT_EQ(size.size(), GetParam().exact ? 0u : 512u);
  const TensorView tensor = view_of(blocks, GetParam().dtype, 2, 256);
  const TensorView* parts[] = {&tensor};
  Team team(2);
  engine::WeightStore store(team);
  const auto packed = engine::pack(parts, store);
  ASSERT_TRUE(packed.ok());
  const std::vector<float> rows = unpack_all(packed->view);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (GetParam().exact) {
      ASSERT_EQ(rows[i], expected[i]) << name << " weight " << i;
    } else {
      ASSERT_NEAR(rows[i], expected[i], 0x1.01p-11 * size[i]) << name << " weight " << i;
    }
  }
}

TEST_P(RepackGoldenTest, EveryKernelSetReadsTheSamePanels) {
  const std::string name(dtype_info(GetParam().dtype).name);
  const std::string blocks = read_golden(name + ".blocks");
  const TensorView tensor = view_of(blocks, GetParam().dtype, 2, 256);
  const TensorView* parts[] = {&tensor};
  Team team(1);
  engine::WeightStore store(team);
  const auto packed = engine::pack(parts, store);
  ASSERT_TRUE(packed.ok());
  std::vector<float> expected = unpack_all(packed->view);
  expected.resize(simd::kPanelRows * 256, 0.0f);  // padding rows are zero
  expect_on_every_set([&](const simd::KernelSet& set) -> ::testing::AssertionResult {
    constexpr double kLargest = 0.1 * 63 * 63;  // of |scale code| + |minimum| in these blocks
    std::vector<float> panel(expected.size());
    set.unpack_f32(packed->view, 0, panel.data(), 256);
    for (size_t i = 0; i < panel.size(); ++i) {
      if (std::abs(panel[i] - expected[i]) <= 2 * 0x1p-24 * kLargest) continue;
      return ::testing::AssertionFailure() << panel[i] << ", not " << expected[i] << ", at " << i;
    }
    return ::testing::AssertionSuccess();
  });
}

INSTANTIATE_TEST_SUITE_P(
    Types, RepackGoldenTest,
    ::testing::Values(GoldenType{DType::kQ4_0, true}, GoldenType{DType::kQ4_1, true},
                      GoldenType{DType::kQ5_0, true}, GoldenType{DType::kQ5_1, true},
                      GoldenType{DType::kQ8_0, true}, GoldenType{DType::kQ4_K, false},
                      GoldenType{DType::kQ5_K, false}, GoldenType{DType::kQ6_K, false}),
    [](const auto& type) { return std::string(dtype_info(type.param.dtype).name); });

std::string float_bytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

TEST(RepackTest, StacksRowsOfSeveralTensorsAcrossPanels) {
  const std::vector<float> a = random_floats(9 * 7, 1), b = random_floats(20 * 7, 2);
  const std::string a_bytes = float_bytes(a), b_bytes = float_bytes(b);
  const TensorView first = view_of(a_bytes, DType::kF32, 9, 7);
  const TensorView second = view_of(b_bytes, DType::kF32, 20, 7);
  const TensorView* parts[] = {&first, &second};
  ASSERT_TRUE(engine::can_stack(parts));
  for (int n_threads : {1, 4}) {
    Team team(n_threads);
    engine::WeightStore store(team);
    const auto packed = engine::pack(parts, store);
    ASSERT_TRUE(packed.ok());
    EXPECT_EQ(packed->view.n_rows, 29);
    std::vector<float> expected = a;
    expected.insert(expected.end(), b.begin(), b.end());
    EXPECT_EQ(unpack_all(packed->view), expected);
  }
}

TEST(RepackTest, StacksOnlyEqualShapesAndFormats) {
  const TensorView q4_1{"a", DType::kQ4_1, 4, 256, {}}, q4_k{"b", DType::kQ4_K, 4, 256, {}};
  const TensorView q6_k{"c", DType::kQ6_K, 4, 256, {}}, narrow{"d", DType::kQ4_1, 4, 128, {}};
  const TensorView* same[] = {&q4_1, &q4_k};  // both are 4-bit codes, scale and minimum
  const TensorView* other_format[] = {&q4_k, &q6_k};
  const TensorView* other_columns[] = {&q4_1, &narrow};
  EXPECT_TRUE(engine::can_stack(same));
  EXPECT_FALSE(engine::can_stack(other_format));
  EXPECT_FALSE(engine::can_stack(other_columns));
}

TEST(RepackTest, RefusesBlocksThatEndInTheMiddleOfAPanelsBlock) {
  const std::string bytes(34 * 3, '\0');
  const TensorView tensor = view_of(bytes, DType::kQ8_0, 2, 48);
  const TensorView* parts[] = {&tensor};
  Team team(1);
  engine::WeightStore store(team);
  const auto packed = engine::pack(parts, store);
  ASSERT_FALSE(packed.ok());
  EXPECT_EQ(packed.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(packed.error().message().find("48"), std::string::npos);
  EXPECT_NE(packed.error().message().find("test.weight"), std::string::npos);
}

}  // namespace
}  // namespace lowkey::testing
