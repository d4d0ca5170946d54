#include "calib/solve/svd.h"

#include <Eigen/SVD>
#include <algorithm>

namespace lowkey::calib {

Result<Svd> solve_svd(const Matrix& a) {
  if (a.rows() != a.cols() || a.rows() == 0 || !a.allFinite()) {
    return make_error(ErrorCode::kInvalidData, "singular values",
                      "expected a square matrix of finite numbers, found another");
  }
  const Eigen::BDCSVD<Matrix> solver(a, Eigen::ComputeFullU | Eigen::ComputeFullV);
  Svd out{solver.matrixU(), solver.singularValues(), solver.matrixV()};
  for (Eigen::Index i = 0; i < out.left.cols(); ++i) {
    Eigen::Index largest = 0;
    out.left.col(i).cwiseAbs().maxCoeff(&largest);
    if (out.left(largest, i) >= 0) continue;
    out.left.col(i) *= -1.0;
    out.right.col(i) *= -1.0;
  }
  const Matrix rebuilt = out.left * out.values.asDiagonal() * out.right.transpose();
  out.residual = (a - rebuilt).norm() / norm_or_one(a);
  out.orthonormality = std::max(orthonormality_error(out.left), orthonormality_error(out.right));
  if (!rebuilt.allFinite()) {
    return make_error(ErrorCode::kInvalidData, "singular values",
                      "expected convergence, found a result that is not finite");
  }
  return out;
}

}  // namespace lowkey::calib
