#include "calib/build.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "calib/allocate/gaussian.h"
#include "tests/calib/layer_sample.h"

namespace lowkey::calib {
namespace {

using testing::LayerSample;

models::BasisFile make_file(const char* method_name, CoordinateOrder order) {
  models::BasisFile file;
  file.method = method_name;
  file.model_hash = file.text_hash = std::string(64, 'a');
  file.n_kv_heads = LayerSample::kKvHeads;
  file.head_dim = LayerSample::kHeadDim;
  BuildOptions options;
  options.method = find_method(method_name).value();
  options.order = order;
  for (unsigned layer = 0; layer < 3; ++layer) {
    StatisticsPlan plan;
    plan.second_order = true;
    const auto statistics = LayerSample(10 * layer).statistics(plan);
    SolverReport report;
    file.layers.push_back(build_layer(statistics, options, &report).value());
    EXPECT_LT(report.biorthogonality, 1e-6);
    EXPECT_LT(report.residual, 1e-10);
  }
  set_prior_sensitivities(file);
  return file;
}

class BuildTest : public ::testing::TestWithParam<const char*> {};

TEST_P(BuildTest, FilesOfEveryMethodAreSoundAndKeepToTheirBudget) {
  auto file = make_file(GetParam(), CoordinateOrder::kImportance);
  ASSERT_EQ(elements_per_token(file), 2 * 3 * 2 * 8);
  const WidthRules rules;
  double last = std::numeric_limits<double>::infinity();
  for (double bits : {1.5, 2.5, 4.0}) {
    const auto budget = int64_t(bits * double(elements_per_token(file)));
    ASSERT_TRUE(assign_widths(file, budget, rules).ok());
    EXPECT_TRUE(models::check_basis(file, "test").ok());
    EXPECT_LE(file.bits_per_element, bits);
    EXPECT_GT(file.bits_per_element, bits - 13.0 / 96);
    double error = 0;
    for (const auto& layer : file.layers) {
      error += layer.k.sensitivity * expected_error(layer.k);
      error += layer.v.sensitivity * expected_error(layer.v);
    }
    EXPECT_LT(error, last);
    last = error;
  }
}

TEST_P(BuildTest, EncoderAndDecoderInStorageOrderStillUndoEachOther) {
  const auto file = make_file(GetParam(), CoordinateOrder::kImportance);
  using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  for (const auto& head : file.layers[1].k.heads) {
    const Eigen::Map<const Rows> e(head.encoder.data(), 8, 8), d(head.decoder.data(), 8, 8);
    EXPECT_LT((e * d - Rows::Identity(8, 8)).norm(), 1e-3);
    for (size_t i = 1; i < 8; ++i) {
      EXPECT_LE(head.costs[i] * head.variances[i],
                head.costs[i - 1] * head.variances[i - 1] * 1.0001f);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, BuildTest,
                         ::testing::Values("k-svd", "eigen", "kq-svd", "fisher", "hadamard"));

TEST(AssignTest, ASmallerBudgetFromTheSameFileEqualsAFreshOne) {
  auto once = make_file("fisher", CoordinateOrder::kImportance), twice = once;
  ASSERT_TRUE(assign_widths(once, 150, {}).ok());
  ASSERT_TRUE(assign_widths(twice, 400, {}).ok());
  ASSERT_TRUE(assign_widths(twice, 150, {}).ok());
  EXPECT_EQ(models::serialise_basis(once).value(), models::serialise_basis(twice).value());
}

TEST(AssignTest, MoreSensitiveLayersGetMoreBits) {
  auto file = make_file("kq-svd", CoordinateOrder::kImportance);
  const auto bits_of = [&](const models::SideBasis& side) {
    int bits = 0;
    for (const auto& head : side.heads) {
      for (uint8_t width : head.widths) bits += width;
    }
    return bits;
  };
  ASSERT_TRUE(assign_widths(file, 250, {}).ok());
  const int before = bits_of(file.layers[2].v);
  file.layers[2].v.sensitivity *= 100;
  ASSERT_TRUE(assign_widths(file, 250, {}).ok());
  EXPECT_GT(bits_of(file.layers[2].v), before);
}

TEST(AssignTest, StepsFollowWidthsAndDeviations) {
  auto file = make_file("fisher", CoordinateOrder::kImportance);
  ASSERT_TRUE(assign_widths(file, 300, {}).ok());
  const auto& head = file.layers[0].k.heads[0];
  ASSERT_GT(head.widths[0], 0);
  EXPECT_NEAR(head.steps[0], step_of_width(head.widths[0]) * std::sqrt(double(head.variances[0])),
              1e-6 * head.steps[0]);
}

TEST(AssignTest, SharesCountTheWholeOfEverySideAlike) {
  auto file = make_file("kq-svd", CoordinateOrder::kMethod);
  set_share_sensitivities(file);
  for (const auto& layer : file.layers) {
    for (const auto* side : {&layer.k, &layer.v}) {
      EXPECT_NEAR(side->sensitivity * expected_error(*side), 1.0, 1e-6);  // nothing is stored yet
    }
  }
}

TEST(AssignTest, RanksKeepLeadingCoordinatesInBf16) {
  auto file = make_file("kq-svd", CoordinateOrder::kMethod);
  ASSERT_TRUE(assign_ranks(file, 3, 5).ok());
  EXPECT_EQ(file.layers[1].k.heads[1].widths, (std::vector<uint8_t>{16, 16, 16, 0, 0, 0, 0, 0}));
  EXPECT_EQ(file.layers[1].v.heads[0].widths[4], 16);
  EXPECT_DOUBLE_EQ(file.bits_per_element, 16.0 * 8 / 16);
  EXPECT_TRUE(models::check_basis(file, "test").ok());
  EXPECT_FALSE(assign_ranks(file, 9, 1).ok());
  EXPECT_FALSE(assign_ranks(file, -1, 1).ok());
}

TEST(AssignTest, KeepGivesThisShareOfAllCoordinates) {
  auto file = make_file("eigen", CoordinateOrder::kMethod);
  for (double keep : {0.0, 0.5, 0.61, 0.85, 1.0}) {
    ASSERT_TRUE(assign_keep(file, keep).ok());
    EXPECT_NEAR(file.bits_per_element, 16 * keep, 16.0 / 96);
    EXPECT_TRUE(models::check_basis(file, "test").ok());
  }
  const auto kept = [&](const models::SideBasis& side) {
    return std::ranges::count(side.heads[0].widths, uint8_t{16});
  };
  set_share_sensitivities(file);
  ASSERT_TRUE(assign_keep(file, 0.5).ok());
  const auto before = kept(file.layers[1].k);
  file.layers[1].k.sensitivity *= 1000;
  ASSERT_TRUE(assign_keep(file, 0.5).ok());
  EXPECT_GT(kept(file.layers[1].k), before);
  EXPECT_FALSE(assign_keep(file, 1.01).ok());
  EXPECT_FALSE(assign_keep(file, NAN).ok());
}

}  // namespace
}  // namespace lowkey::calib
