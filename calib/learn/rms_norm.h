// The norm of a decoder layer, forward and backward.
#pragma once

#include "calib/rows.h"

namespace lowkey::calib {

/// 1 / root mean square of each row.
template <class T>
Column<T> inverse_rms(const Rows<T>& x, T eps) {
  return (x.rowwise().squaredNorm().array() / T(x.cols()) + eps).rsqrt();
}

template <class T>
Rows<T> rms_norm(const Rows<T>& x, const Column<T>& weight, T eps) {
  return inverse_rms(x, eps).asDiagonal() * x * weight.asDiagonal();
}

/// Gradient with respect to x of a loss whose gradient with respect to rms_norm(x) is `d_out`.
template <class T>
Rows<T> rms_norm_backward(const Rows<T>& x, const Column<T>& weight, T eps, const Rows<T>& d_out) {
  const Column<T> scale = inverse_rms(x, eps);
  const Rows<T> weighted = d_out * weight.asDiagonal();
  const Column<T> along =
      weighted.cwiseProduct(x).rowwise().sum().array() * scale.array().cube() / T(x.cols());
  return scale.asDiagonal() * weighted - along.asDiagonal() * x;
}

/// The same of every head of rows [n, n_heads * d], one after the other: rows [n * n_heads, d].
template <class T>
Rows<T> as_heads(const Rows<T>& x, Eigen::Index d) {
  return Eigen::Map<const Rows<T>>(x.data(), x.size() / d, d);
}

}  // namespace lowkey::calib
