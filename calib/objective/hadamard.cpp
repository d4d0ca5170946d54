// The control: a fixed orthonormal rotation that spreads every vector over all coordinates, as
// peers do before they round. Needs no statistics; its coordinates have no order.
#include <bit>
#include <cmath>
#include <string>

#include "calib/objective/method.h"

namespace lowkey::calib {

Result<Basis> solve_hadamard(const Problem& problem) {
  const Eigen::Index d = problem.covariance.rows();
  if (d == 0 || !std::has_single_bit(uint64_t(d))) {
    return make_error(ErrorCode::kUnsupported, "method hadamard",
                      "expected a head size that is a power of two, found " + std::to_string(d));
  }
  Basis basis;
  basis.encoder.resize(d, d);
  const double scale = 1.0 / std::sqrt(double(d));
  for (Eigen::Index i = 0; i < d; ++i) {
    for (Eigen::Index j = 0; j < d; ++j) {
      basis.encoder(i, j) = std::popcount(uint64_t(i & j)) % 2 == 0 ? scale : -scale;
    }
  }
  basis.decoder = basis.encoder.transpose();
  basis.orthonormality = orthonormality_error(basis.decoder);
  basis.residual = basis.orthonormality;
  complete_basis(problem, basis);
  return basis;
}

}  // namespace lowkey::calib
