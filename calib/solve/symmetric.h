// Eigenvalues, roots and inverse roots of symmetric matrices.
#pragma once

#include "base/result.h"
#include "calib/solve/types.h"

namespace lowkey::calib {

struct SymmetricEigen {
  Vector values;        // [d], falling
  Matrix vectors;       // [d, d], column i belongs to values[i]; its largest entry is positive
  double residual = 0;  // ||A V - V diag(values)|| / ||A||
  double orthonormality = 0;  // ||V^T V - I||
};

/// Only the symmetric part of `a` counts. Refuses matrices that are not square or not finite.
Result<SymmetricEigen> solve_symmetric(const Matrix& a);

struct MatrixRoot {
  Matrix root;                // A^(1/2)
  Matrix inverse;             // A^(-1/2), exactly the inverse of `root`
  double residual = 0;        // ||root root - A|| / ||A||; grows to `floor` for singular A
  double orthonormality = 0;  // of the eigenvectors
};

/// Root of a positive semidefinite matrix. Eigenvalues below `floor` times the largest are raised
/// to it, so that directions without data keep a finite inverse; a zero matrix acts as I.
Result<MatrixRoot> matrix_root(const Matrix& a, double floor = 1e-8);

}  // namespace lowkey::calib
