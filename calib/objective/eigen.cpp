// EigenAttention: keys share one orthonormal basis with the queries that meet them, the principal
// components of both together, each scaled to the same total (arXiv 2408.05646, section 3).
#include "calib/objective/method.h"
#include "calib/solve/symmetric.h"

namespace lowkey::calib {
namespace {

Matrix unit_trace(const Matrix& a) { return a.trace() > 0 ? Matrix(a / a.trace()) : a; }

}  // namespace

Result<Basis> solve_eigen(const Problem& problem) {
  // The metric of keys is E[q q^T]: queries weigh in as data here, not as a metric.
  Matrix data = unit_trace(problem.covariance);
  if (problem.side == Side::kKeys) data += unit_trace(problem.metric);
  LK_ASSIGN(const SymmetricEigen eigen, solve_symmetric(data));
  Basis basis;
  basis.encoder = eigen.vectors.transpose();
  basis.decoder = eigen.vectors;
  basis.residual = eigen.residual;
  basis.orthonormality = eigen.orthonormality;
  complete_basis(problem, basis);
  return basis;
}

}  // namespace lowkey::calib
