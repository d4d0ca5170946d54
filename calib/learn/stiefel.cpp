#include "calib/learn/stiefel.h"

#include <Eigen/LU>
#include <Eigen/QR>

namespace lowkey::calib {

Matrix skew(const Matrix& a) { return 0.5 * (a - a.transpose()); }

Matrix cayley(const Matrix& x) {
  const Matrix one = Matrix::Identity(x.rows(), x.cols());
  return (one - 0.5 * x).partialPivLu().solve(one + 0.5 * x);
}

QrFactors qr(const Matrix& a) {
  const Eigen::HouseholderQR<Matrix> solver(a);
  QrFactors out{solver.householderQ() * Matrix::Identity(a.rows(), a.cols()),
                solver.matrixQR().triangularView<Eigen::Upper>()};
  for (Eigen::Index i = 0; i < a.cols(); ++i) {
    if (out.r(i, i) >= 0) continue;
    out.r.row(i) *= -1.0;
    out.q.col(i) *= -1.0;
  }
  return out;
}

Matrix qr_backward(const QrFactors& f, const Matrix& d_q) {
  // dA = (dQ + Q sym(tril(-dQ^T Q))) R^-T, sym doubling what lies below the diagonal.
  const Matrix m = -d_q.transpose() * f.q;
  Matrix symmetric = m.triangularView<Eigen::Lower>();
  symmetric += Matrix(m.triangularView<Eigen::StrictlyLower>()).transpose();
  const Matrix left = d_q + f.q * symmetric;
  // left R^-T = (R^-1 left^T)^T
  return f.r.triangularView<Eigen::Upper>().solve(left.transpose()).transpose();
}

}  // namespace lowkey::calib
