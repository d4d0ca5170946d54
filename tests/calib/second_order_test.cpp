#include "calib/second_order.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/calib/random_rows.h"

namespace lowkey::calib {
namespace {

using testing::as_matrix;
using testing::random_rows;

constexpr int kTokens = 90, kHeadDim = 4, kHeads = 4, kKvHeads = 2, kEmbd = 10;

/// The formulas of the header, one query head and token at a time, in double.
TokenWeights by_definition(const AttentionSample& s, const Matrix& w_o) {
  TokenWeights out;
  out.n_tokens = kTokens;
  out.query.assign(kHeads * kTokens, 0.0f);
  out.key.assign(kKvHeads * kTokens, 0.0f);
  out.value = out.key;
  out.value_per_head.assign(kHeads, 0.0);
  for (int h = 0; h < kHeads; ++h) {
    const int g = h / s.shape.group();
    const Matrix q = as_matrix(s.q).middleCols(h * kHeadDim, kHeadDim);
    const Matrix k = as_matrix(s.k).middleCols(g * kHeadDim, kHeadDim);
    const Matrix v = as_matrix(s.v).middleCols(g * kHeadDim, kHeadDim);
    const Matrix own_w_o = w_o.middleCols(h * kHeadDim, kHeadDim);
    for (int m = s.query_stride - 1; m < kTokens; m += s.query_stride) {
      Vector a = (double(s.scale) * k.topRows(m + 1) * q.row(m).transpose()).array().exp();
      a /= a.sum();
      const Vector o = v.topRows(m + 1).transpose() * a;
      for (int n = s.n_sinks; n + s.window <= m; ++n) {
        const double distance = (own_w_o * (v.row(n).transpose() - o)).squaredNorm();
        const double squared = a(n) * a(n);
        out.query[size_t(h * kTokens + m)] += float(squared * distance);
        out.key[size_t(g * kTokens + n)] += float(squared * distance);
        out.value[size_t(g * kTokens + n)] += float(squared);
        out.value_per_head[size_t(h)] += squared;
      }
    }
  }
  return out;
}

void expect_near(const std::vector<float>& found, const std::vector<float>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  float largest = 0;
  for (float value : expected) largest = std::max(largest, value);
  ASSERT_GT(largest, 0);
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], 1e-4f * expected[i] + 1e-5f * largest) << i;
  }
}

class SecondOrderTest : public ::testing::TestWithParam<int> {};

TEST_P(SecondOrderTest, FollowsTheDefinition) {
  const auto q = random_rows(kTokens, kHeads * kHeadDim, 1);
  const auto k = random_rows(kTokens, kKvHeads * kHeadDim, 2);
  const auto v = random_rows(kTokens, kKvHeads * kHeadDim, 3);
  const auto w = random_rows(kEmbd, kHeads * kHeadDim, 4);
  const auto w_o = matrix(w.data(), kEmbd, kHeads * kHeadDim);
  const LayerShape shape{kHeads, kKvHeads, kHeadDim};
  const auto statistics = make_statistics(shape, {}, 0, w_o);
  AttentionSample sample;
  sample.shape = shape;
  sample.q = matrix(q.data(), kTokens, kHeads * kHeadDim);
  sample.k = matrix(k.data(), kTokens, kKvHeads * kHeadDim);
  sample.v = matrix(v.data(), kTokens, kKvHeads * kHeadDim);
  sample.output_grams = statistics.output_grams;
  sample.scale = 0.2f;
  sample.window = 8;
  sample.query_stride = GetParam();
  const TokenWeights found = second_order_weights(sample);
  const TokenWeights expected = by_definition(sample, as_matrix(w_o));
  expect_near(found.query, expected.query);
  expect_near(found.key, expected.key);
  expect_near(found.value, expected.value);
  for (int h = 0; h < kHeads; ++h) {
    EXPECT_NEAR(found.value_per_head[size_t(h)], expected.value_per_head[size_t(h)], 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Strides, SecondOrderTest, ::testing::Values(1, 3, 4));

TEST(SecondOrderShortTest, TextsWithinTheWindowHaveNoCodedTokens) {
  const auto rows = random_rows(6, 4, 1);
  AttentionSample sample;
  sample.shape = {1, 1, 4};
  sample.q = sample.k = sample.v = matrix(rows.data(), 6, 4);
  const std::vector<Matrix> grams = {Matrix::Identity(4, 4)};
  sample.output_grams = grams;
  for (float weight : second_order_weights(sample).query) EXPECT_EQ(weight, 0);
}

}  // namespace
}  // namespace lowkey::calib
