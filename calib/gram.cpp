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

void Gram::write(std::vector<double>& out) const {
  out.push_back(weight_);
  out.insert(out.end(), first_.begin(), first_.end());
  for (int col = 0; col < dim(); ++col) {
    for (int row = col; row < dim(); ++row) out.push_back(second_(row, col));
  }
}

std::span<const double> Gram::read(std::span<const double> numbers) {
  LK_CHECK(numbers.size() >= n_numbers(), "all sums of these moments");
  size_t at = 0;
  weight_ = numbers[at++];
  for (int i = 0; i < dim(); ++i) first_(i) = numbers[at++];
  for (int col = 0; col < dim(); ++col) {
    for (int row = col; row < dim(); ++row) second_(row, col) = numbers[at++];
  }
  return numbers.subspan(at);
}

Matrix Gram::moment() const {
  return Matrix(second_.selfadjointView<Eigen::Lower>()) / positive_weight();
}

Matrix Gram::covariance() const {
  const Vector m = mean();
  return moment() - m * m.transpose();
}

}  // namespace lowkey::calib
