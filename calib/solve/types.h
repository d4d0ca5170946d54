// The matrices of calibration: double, column vectors, small (a head, or all heads of a layer).
#pragma once

#include <Eigen/Core>

namespace lowkey::calib {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

/// ||a||_F, or 1 for a zero matrix: the divisor of relative residuals.
inline double norm_or_one(const Matrix& a) {
  const double norm = a.norm();
  return norm > 0 ? norm : 1.0;
}

/// ||V^T V - I||_F: how far the columns of `v` are from orthonormal.
inline double orthonormality_error(const Matrix& v) {
  return (v.transpose() * v - Matrix::Identity(v.cols(), v.cols())).norm();
}

}  // namespace lowkey::calib
