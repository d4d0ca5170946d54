// Rows of numbers as activations come, row-major: of float to work with, of double to prove.
#pragma once

#include <Eigen/Core>
#include <type_traits>

#include "engine/gemm.h"

namespace lowkey::calib {

template <class T>
using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using Column = Eigen::Matrix<T, Eigen::Dynamic, 1>;
/// Rows, or some columns of rows, without a copy.
template <class T>
using RowsRef = Eigen::Ref<const Rows<std::type_identity_t<T>>, 0, Eigen::OuterStride<>>;

/// x w^T, on the calling thread alone: the same numbers give the same bits everywhere.
inline Rows<float> product(const RowsRef<float>& x, const RowsRef<float>& w) {
  Rows<float> out(x.rows(), w.rows());
  engine::gemm_f32({x.rows(), w.rows(), x.cols(), x.outerStride(), w.outerStride(), w.rows()},
                   x.data(), w.data(), out.data());
  return out;
}

inline Rows<double> product(const RowsRef<double>& x, const RowsRef<double>& w) {
  return x * w.transpose();
}

}  // namespace lowkey::calib
