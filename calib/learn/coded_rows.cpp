#include "calib/learn/coded_rows.h"

#include <algorithm>
#include <cmath>

#include "calib/allocate/gaussian.h"
#include "simd/latent_tile.h"

namespace lowkey::calib {
namespace {

bool is_rounded(int width) { return width >= 1 && width <= kMaxWidth; }

/// (rounded - z) / deviation of one vector, with the gain that its largest coordinate asks for.
template <class T, class Row, class Out>
void round_row(const Column<T>& deviation, std::span<const uint8_t> widths, const Row& z, Out out) {
  float ratio = 0.0f;
  for (size_t i = 0; i < widths.size(); ++i) {
    if (!is_rounded(widths[i])) continue;
    const auto at = Eigen::Index(i);
    const T top = T(1 << (widths[i] - 1)) * T(kGaussianStep[widths[i]]) * deviation(at);
    ratio = std::max(ratio, float(std::abs(z(at)) / top));
  }
  const T gain = T(simd::latent_gain(simd::latent_gain_code(ratio)));
  for (size_t i = 0; i < widths.size(); ++i) {
    const auto at = Eigen::Index(i);
    out(at) = T(0);
    if (!is_rounded(widths[i])) continue;
    const T step = T(kGaussianStep[widths[i]]) * gain, half = T(1 << (widths[i] - 1));
    const T u = z(at) / deviation(at);
    out(at) = (std::clamp(std::floor(u / step), -half, half - T(1)) + T(0.5)) * step - u;
  }
}

}  // namespace

Vector LearnedBasis::deviations() const {
  const Vector variances = (encoder * covariance).cwiseProduct(encoder).rowwise().sum();
  return variances.cwiseMax(1e-30).cwiseSqrt();
}

template <class T>
Rows<T> code_rows(const LearnedBasis& basis, std::span<const uint8_t> widths, const RowsRef<T>& x,
                  CodeTape<T>& tape, bool frozen) {
  const Rows<T> encoder = basis.encoder.cast<T>(), decoder = basis.decoder.cast<T>();
  const Column<T> deviation = basis.deviations().cast<T>(), mean = basis.mean.cast<T>();
  tape.centred = x.rowwise() - mean.transpose();
  tape.latents = product(tape.centred, encoder);
  if (!frozen) {
    tape.residues.resize(x.rows(), x.cols());
    for (Eigen::Index i = 0; i < x.rows(); ++i) {
      round_row<T>(deviation, widths, tape.latents.row(i), tape.residues.row(i));
    }
  }
  tape.latents += tape.residues * deviation.asDiagonal();
  for (size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] == 0) tape.latents.col(Eigen::Index(i)).setZero();
  }
  return product(tape.latents, decoder).rowwise() + mean.transpose();
}

template <class T>
BasisGradient code_backward(const LearnedBasis& basis, std::span<const uint8_t> widths,
                            const CodeTape<T>& tape, const RowsRef<T>& d_coded) {
  const Rows<T> decoder_t = basis.decoder.transpose().cast<T>();
  Rows<T> d_latents = product(d_coded, decoder_t);
  for (size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] == 0) d_latents.col(Eigen::Index(i)).setZero();
  }
  const auto outer = [](const Rows<T>& a, const Rows<T>& b) -> Matrix {
    const Rows<T> a_t = a.transpose(), b_t = b.transpose();
    return product(a_t, b_t).template cast<double>();
  };
  BasisGradient gradient;
  gradient.decoder = outer(d_coded, tape.latents);
  gradient.encoder = outer(d_latents, tape.centred);
  // latent = z + residue * deviation, deviation_i^2 = e_i^T C e_i
  const Column<T> d_deviation = d_latents.cwiseProduct(tape.residues).colwise().sum().transpose();
  const Vector along = d_deviation.template cast<double>().cwiseQuotient(basis.deviations());
  gradient.encoder += along.asDiagonal() * basis.encoder * basis.covariance;
  return gradient;
}

#define LOWKEY_INSTANTIATE(T)                                                                  \
  template Rows<T> code_rows(const LearnedBasis&, std::span<const uint8_t>, const RowsRef<T>&, \
                             CodeTape<T>&, bool);                                              \
  template BasisGradient code_backward(const LearnedBasis&, std::span<const uint8_t>,          \
                                       const CodeTape<T>&, const RowsRef<T>&)
LOWKEY_INSTANTIATE(float);
LOWKEY_INSTANTIATE(double);
#undef LOWKEY_INSTANTIATE

}  // namespace lowkey::calib
