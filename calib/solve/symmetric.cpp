#include "calib/solve/symmetric.h"

#include <Eigen/Eigenvalues>
#include <cmath>
#include <string>

namespace lowkey::calib {
namespace {

Status check_square(const Matrix& a, const char* where) {
  if (a.rows() != a.cols() || a.rows() == 0) {
    return make_error(ErrorCode::kInvalidArgument, where,
                      "expected a square matrix, found " + std::to_string(a.rows()) + " x " +
                          std::to_string(a.cols()));
  }
  if (!a.allFinite()) {
    return make_error(ErrorCode::kInvalidData, where,
                      "expected finite moments, found infinity or NaN");
  }
  return {};
}

}  // namespace

Result<SymmetricEigen> solve_symmetric(const Matrix& a) {
  LK_RETURN_IF_ERROR(check_square(a, "symmetric eigenproblem"));
  const Matrix symmetric = 0.5 * (a + a.transpose());
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(symmetric);
  if (solver.info() != Eigen::Success) {
    return make_error(ErrorCode::kInvalidData, "symmetric eigenproblem",
                      "expected convergence, found none after the solver's iterations");
  }
  SymmetricEigen out;
  out.values = solver.eigenvalues().reverse();
  out.vectors = solver.eigenvectors().rowwise().reverse();
  for (Eigen::Index i = 0; i < out.vectors.cols(); ++i) {
    Eigen::Index largest = 0;
    out.vectors.col(i).cwiseAbs().maxCoeff(&largest);
    if (out.vectors(largest, i) < 0) out.vectors.col(i) *= -1.0;
  }
  out.residual = (symmetric * out.vectors - out.vectors * out.values.asDiagonal()).norm() /
                 norm_or_one(symmetric);
  out.orthonormality = orthonormality_error(out.vectors);
  return out;
}

Result<MatrixRoot> matrix_root(const Matrix& a, double floor) {
  LK_ASSIGN(const SymmetricEigen eigen, solve_symmetric(a));
  const double largest = eigen.values(0) > 0 ? eigen.values(0) : 1.0;
  const double least = eigen.values(0) > 0 ? largest * floor : 1.0;
  const Vector roots = eigen.values.cwiseMax(least).cwiseSqrt();
  MatrixRoot out;
  out.root = eigen.vectors * roots.asDiagonal() * eigen.vectors.transpose();
  out.inverse = eigen.vectors * roots.cwiseInverse().asDiagonal() * eigen.vectors.transpose();
  out.residual = (out.root * out.root - 0.5 * (a + a.transpose())).norm() / norm_or_one(a);
  out.orthonormality = eigen.orthonormality;
  return out;
}

}  // namespace lowkey::calib
