// Principal components: the best rank-r approximation of the vectors themselves.
#include "calib/objective/method.h"
#include "calib/solve/symmetric.h"

namespace lowkey::calib {

Result<Basis> solve_k_svd(const Problem& problem) {
  LK_ASSIGN(const SymmetricEigen eigen, solve_symmetric(problem.covariance));
  Basis basis;
  basis.encoder = eigen.vectors.transpose();
  basis.decoder = eigen.vectors;
  basis.residual = eigen.residual;
  basis.orthonormality = eigen.orthonormality;
  complete_basis(problem, basis);
  return basis;
}

}  // namespace lowkey::calib
