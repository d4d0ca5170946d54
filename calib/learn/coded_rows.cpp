#include "calib/learn/coded_rows.h"

#include <algorithm>
#include <cmath>

#include "calib/allocate/gaussian.h"
#include "simd/latent_tile.h"

namespace lowkey::calib {
namespace {

bool is_rounded(int width) { return width >= 1 && width <= kMaxWidth; }

/// Largest value that a coordinate can take at gain 1, in units of its deviation times stretch.
double top_of(int width) { return double(simd::latent_range(width)) * step_of_width(width); }

/// The coordinate that sets the gain of z, or -1; `ratio` is what it asks for.
template <class T, class Row>
int widest_of(const Column<T>& unit, std::span<const uint8_t> widths, const Row& z, T& ratio) {
  int widest = -1;
  ratio = T(1);
  for (size_t i = 0; i < widths.size(); ++i) {
    if (!is_rounded(widths[i])) continue;
    const T own = std::abs(z(Eigen::Index(i))) / (T(top_of(widths[i])) * unit(Eigen::Index(i)));
    if (!(own > ratio)) continue;
    ratio = own;
    widest = int(i);
  }
  return widest;
}

/// (rounded - z) / (unit * ratio) of one vector. The stored gain is `ratio` rounded up.
template <class T, class Row, class Out>
void round_row(const Column<T>& unit, std::span<const uint8_t> widths, T ratio, const Row& z,
               Out out) {
  const T gain = T(simd::latent_gain(simd::latent_gain_code(float(ratio))));
  for (size_t i = 0; i < widths.size(); ++i) {
    const auto at = Eigen::Index(i);
    out(at) = T(0);
    if (!is_rounded(widths[i])) continue;
    const T step = T(step_of_width(widths[i])) * gain, half = T(1 << (widths[i] - 1));
    const T u = z(at) / unit(at);
    out(at) = ((std::clamp(std::floor(u / step), -half, half - T(1)) + T(0.5)) * step - u) / ratio;
  }
}

template <class T>
void round_rows(const Column<T>& unit, std::span<const uint8_t> widths, CodeTape<T>& tape) {
  const Eigen::Index n = tape.latents.rows();
  tape.residues.resize(n, tape.latents.cols());
  tape.widest.resize(size_t(n));
  for (Eigen::Index i = 0; i < n; ++i) {
    T ratio;
    tape.widest[size_t(i)] = widest_of<T>(unit, widths, tape.latents.row(i), ratio);
    round_row<T>(unit, widths, ratio, tape.latents.row(i), tape.residues.row(i));
  }
}

/// Gains before rounding up, of the coordinates that set them.
template <class T>
Column<T> gains_of(const Column<T>& unit, std::span<const uint8_t> widths,
                   const CodeTape<T>& tape) {
  Column<T> gains = Column<T>::Ones(tape.latents.rows());
  for (Eigen::Index i = 0; i < gains.size(); ++i) {
    const int j = tape.widest[size_t(i)];
    if (j < 0) continue;
    gains(i) = std::abs(tape.latents(i, j)) / (T(top_of(widths[size_t(j)])) * unit(j));
  }
  return gains;
}

/// Gradients that flow through the gains: they grow with their coordinate, and shrink as its unit
/// grows. `latents` are those before rounding.
template <class T>
void gain_backward(const Column<T>& unit, const Rows<T>& latents, const CodeTape<T>& tape,
                   const Column<T>& d_gain, Rows<T>& d_latents, Column<T>& d_unit) {
  for (Eigen::Index i = 0; i < d_gain.size(); ++i) {
    const int j = tape.widest[size_t(i)];
    if (j < 0) continue;
    const T relative = d_gain(i) * tape.gains(i);
    d_latents(i, j) += relative / latents(i, j);
    d_unit(j) -= relative / unit(j);
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
  const Column<T> unit = basis.deviations().cwiseProduct(basis.stretch).template cast<T>();
  const Column<T> mean = basis.mean.cast<T>();
  tape.centred = x.rowwise() - mean.transpose();
  tape.latents = product(tape.centred, encoder);
  if (!frozen) round_rows(unit, widths, tape);
  tape.gains = gains_of(unit, widths, tape);
  tape.latents += tape.gains.asDiagonal() * tape.residues * unit.asDiagonal();
  for (size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] == 0) tape.latents.col(Eigen::Index(i)).setZero();
  }
  return product(tape.latents, decoder).rowwise() + mean.transpose();
}

template <class T>
BasisGradient code_backward(const LearnedBasis& basis, std::span<const uint8_t> widths,
                            const CodeTape<T>& tape, const RowsRef<T>& d_coded, Rows<T>* d_x) {
  const Rows<T> decoder_t = basis.decoder.transpose().cast<T>();
  Rows<T> d_latents = product(d_coded, decoder_t);
  for (size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] == 0) d_latents.col(Eigen::Index(i)).setZero();
  }
  const auto outer = [](const Rows<T>& a, const Rows<T>& b) -> Matrix {
    const Rows<T> a_t = a.transpose(), b_t = b.transpose();
    return product(a_t, b_t).template cast<double>();
  };
  // latent = z + residue * unit * gain; unit_i = stretch_i * deviation_i, deviation_i^2 = e_i^T C
  // e_i
  const Vector deviation = basis.deviations();
  const Column<T> unit = deviation.cwiseProduct(basis.stretch).template cast<T>();
  const Rows<T> shares = d_latents.cwiseProduct(tape.residues);
  Column<T> d_unit = shares.transpose() * tape.gains;
  const Column<T> d_gain = shares * unit;
  const Rows<T> noise = tape.gains.asDiagonal() * tape.residues * unit.asDiagonal();
  gain_backward<T>(unit, tape.latents - noise, tape, d_gain, d_latents, d_unit);
  BasisGradient gradient;
  gradient.decoder = outer(d_coded, tape.latents);
  gradient.encoder = outer(d_latents, tape.centred);
  const Vector relative = d_unit.template cast<double>().cwiseProduct(basis.stretch);
  gradient.encoder +=
      relative.cwiseQuotient(deviation).asDiagonal() * basis.encoder * basis.covariance;
  gradient.stretch = relative.cwiseProduct(deviation);
  if (d_x) *d_x = product(d_latents, Rows<T>(basis.encoder.transpose().cast<T>()));
  return gradient;
}

#define LOWKEY_INSTANTIATE(T)                                                                  \
  template Rows<T> code_rows(const LearnedBasis&, std::span<const uint8_t>, const RowsRef<T>&, \
                             CodeTape<T>&, bool);                                              \
  template BasisGradient code_backward(const LearnedBasis&, std::span<const uint8_t>,          \
                                       const CodeTape<T>&, const RowsRef<T>&, Rows<T>*)
LOWKEY_INSTANTIATE(float);
LOWKEY_INSTANTIATE(double);
#undef LOWKEY_INSTANTIATE

}  // namespace lowkey::calib
