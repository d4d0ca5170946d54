// Orthonormal matrices as points of a manifold: tangents, ways back onto it, and QR with its
// gradient.
#pragma once

#include "calib/solve/types.h"

namespace lowkey::calib {

/// (A - A^T) / 2: the tangent at the identity that is nearest to A.
Matrix skew(const Matrix& a);

/// (I - X/2)^-1 (I + X/2): orthonormal if X is skew, invertible near zero in any case; its inverse
/// is cayley(-X).
Matrix cayley(const Matrix& x);

/// a = q r, q orthonormal, r upper triangular with a positive diagonal.
struct QrFactors {
  Matrix q, r;
};
QrFactors qr(const Matrix& a);

/// Gradient with respect to `a`, given that with respect to q of qr(a).
Matrix qr_backward(const QrFactors& factors, const Matrix& d_q);

}  // namespace lowkey::calib
