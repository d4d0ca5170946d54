// KQ-SVD: the basis whose first r coordinates give the best rank-r approximation of K Q^T, and of
// V W_O on the value side (arXiv 2512.05916). With M = E[q q^T] and C = E[k k^T], the singular
// vectors of M^(1/2) C^(1/2) hold it; the basis is biorthogonal. `fisher` is the same with moments
// in which tokens count by their influence on the layer's output.
#include <algorithm>

#include "calib/objective/method.h"
#include "calib/solve/svd.h"
#include "calib/solve/symmetric.h"

namespace lowkey::calib {

Result<Basis> solve_kq_svd(const Problem& problem) {
  LK_ASSIGN(const MatrixRoot metric, matrix_root(problem.metric));
  // A floor far below rounding: the root of the covariance is not inverted.
  LK_ASSIGN(const MatrixRoot covariance, matrix_root(problem.covariance, 1e-16));
  LK_ASSIGN(const Svd svd, solve_svd(metric.root * covariance.root));
  Basis basis;
  basis.encoder = svd.left.transpose() * metric.root;
  basis.decoder = metric.inverse * svd.left;
  basis.residual = svd.residual;
  basis.orthonormality = std::max(svd.orthonormality, metric.orthonormality);
  complete_basis(problem, basis);
  return basis;
}

}  // namespace lowkey::calib
