// The code of one head's vectors, differentiable: rounding counts as a shift that grows with the
// step (straight-through), and steps follow the coordinates' deviations.
#pragma once

#include <span>
#include <vector>

#include "calib/rows.h"
#include "calib/solve/types.h"

namespace lowkey::calib {

/// A head's basis while it is learned. decoder = encoder^-1 at all times.
struct LearnedBasis {
  Matrix encoder, decoder;  // [d, d]
  Vector mean;              // [d]
  Matrix covariance;        // [d, d] of the centred vectors: gives the steps
  Vector stretch;           // [d] of the steps, 1: as step_of_width() has them

  /// Standard deviation of every coordinate.
  Vector deviations() const;
};

template <class T>
struct CodeTape {
  Rows<T> centred;          // [n, d]
  Rows<T> latents;          // [n, d] as decoded
  Rows<T> residues;         // [n, d]: (decoded - encoded) / (deviation * stretch * gain), or 0
  std::vector<int> widest;  // [n]: the coordinate that sets the token's gain, -1: gain 1
  Column<T> gains;          // [n]
};

/// x [n, d] through the code: widths 0 (not stored), 1..8, or 16 (stored as it is). With `frozen`,
/// the tape's residues and widest coordinates are kept instead of rounding anew: what gradients
/// are proven against.
template <class T>
Rows<T> code_rows(const LearnedBasis& basis, std::span<const uint8_t> widths, const RowsRef<T>& x,
                  CodeTape<T>& tape, bool frozen = false);

/// Gradients with respect to encoder, decoder and the logarithm of stretch.
struct BasisGradient {
  Matrix encoder, decoder;
  Vector stretch;
};

/// `d_x`, if given, receives the gradient with respect to x.
template <class T>
BasisGradient code_backward(const LearnedBasis& basis, std::span<const uint8_t> widths,
                            const CodeTape<T>& tape, const RowsRef<T>& d_coded,
                            Rows<T>* d_x = nullptr);

}  // namespace lowkey::calib
