#include "calib/gram.h"

#include <algorithm>

#include "base/check.h"

namespace lowkey::calib {
namespace {

constexpr int64_t kBlockRows = 128;  // keeps a block of doubles within the second-level cache

using RowsF =
    Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0,
               Eigen::OuterStride<>>;

}  // namespace

void Gram::accumulate(MatrixView<const float> x, std::span<const float> weights) {
  LK_CHECK(x.cols == dim(), "rows of another width");
  LK_CHECK(weights.empty() || int64_t(weights.size()) == x.rows, "one weight per row");
  for (int64_t begin = 0; begin < x.rows; begin += kBlockRows) {
    const int64_t n = std::min(kBlockRows, x.rows - begin);
    const Matrix rows =
        RowsF(x.row(begin), n, x.cols, Eigen::OuterStride<>(x.stride)).cast<double>().transpose();
    if (weights.empty()) {
      second_.selfadjointView<Eigen::Lower>().rankUpdate(rows);
      first_ += rows.rowwise().sum();
      weight_ += double(n);
      continue;
    }
    const Vector w = Eigen::Map<const Eigen::VectorXf>(weights.data() + begin, n).cast<double>();
    second_.selfadjointView<Eigen::Lower>().rankUpdate(rows * w.cwiseSqrt().asDiagonal());
    first_ += rows * w;
    weight_ += w.sum();
  }
}

void Gram::merge(const Gram& other) {
  LK_CHECK(other.dim() == dim(), "moments of another width");
  second_ += other.second_;
  first_ += other.first_;
  weight_ += other.weight_;
}

Matrix Gram::moment() const {
  return Matrix(second_.selfadjointView<Eigen::Lower>()) / positive_weight();
}

Matrix Gram::covariance() const {
  const Vector m = mean();
  return moment() - m * m.transpose();
}

}  // namespace lowkey::calib
