// Singular value decomposition of a square matrix, falling order.
#pragma once

#include "base/result.h"
#include "calib/solve/types.h"

namespace lowkey::calib {

struct Svd {
  Matrix left;                // [d, d]; the largest entry of each column is positive
  Vector values;              // [d], falling
  Matrix right;               // [d, d]
  double residual = 0;        // ||A - left diag(values) right^T|| / ||A||
  double orthonormality = 0;  // the larger of both sides' ||V^T V - I||
};

/// Refuses matrices that are not square or not finite.
Result<Svd> solve_svd(const Matrix& a);

}  // namespace lowkey::calib
