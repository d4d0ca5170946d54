#include "calib/learn/network_steps.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "calib/learn/manifold_steps.h"

namespace lowkey::calib {
namespace {

/// Uniform of standard deviation 1, the same on every platform.
Matrix random_weights(Eigen::Index rows, Eigen::Index cols, std::mt19937_64& rng) {
  return Matrix::NullaryExpr(rows, cols, [&] {
    const double unit = double(rng() >> 11) * 0x1p-53;
    return (2.0 * unit - 1.0) * std::sqrt(3.0);
  });
}

Vector unit_rms(const Vector& x) {
  const double rms = std::sqrt(x.squaredNorm() / double(x.size()));
  return rms > 0 ? Vector(x / rms) : x;
}

/// A file's bases are orthonormal up to a factor, by which it scales latents.
Matrix orthonormal(const Matrix& basis) {
  return basis * (std::sqrt(double(basis.cols())) / basis.norm());
}

void set_basis(const Matrix& u, LearnedBasis& basis) {
  basis.encoder = u.transpose();
  basis.decoder = u;
}

}  // namespace

Vector network_input(const Vector& mean, const Vector& variance) {
  Vector out(mean.size() + variance.size());
  out << unit_rms(mean), unit_rms(variance);
  const double size = out.lpNorm<1>();
  return size > 0 ? Vector(out / size) : out;
}

BasisNetwork::BasisNetwork(const Vector& input, int d, uint64_t seed) : input_(input), d_(d) {
  std::mt19937_64 rng(seed);
  w1_ = random_weights(kHidden, input.size(), rng) / std::max(input.norm(), 1e-30);
  w2_ = Matrix::Zero(Eigen::Index{d} * d, kHidden);  // the first output is the start
}

Vector BasisNetwork::hidden() const { return (w1_ * input_).array().tanh(); }

Matrix BasisNetwork::output() const {
  const Vector flat = w2_ * hidden() / double(kHidden);
  return Eigen::Map<const Matrix>(flat.data(), d_, d_);
}

void BasisNetwork::descend(Adam& adam, size_t id, const Matrix& d_output) {
  const Eigen::Map<const Vector> flat(d_output.data(), d_output.size());
  const Vector h = hidden(), d_flat = flat / double(kHidden);
  const Vector d_inner =
      (w2_.transpose() * d_flat).cwiseProduct((1.0 - h.array().square()).matrix());
  const Matrix d_w1 = d_inner * input_.transpose(), d_w2 = d_flat * h.transpose();
  w1_ += adam.update(2 * id, w1_, d_w1);
  w2_ += adam.update(2 * id + 1, w2_, d_w2);
}

NetworkSteps::NetworkSteps(LayerBases& bases, const Vector& input, const DescentOptions& options,
                           int64_t n_steps)
    : adam_({.rate = options.rate, .beta2 = 0.98, .weight_decay = 1e-2, .n_steps = n_steps}) {
  // First of all: a gradient with respect to scaled matrices would lead the first steps astray.
  for (auto* side : {&bases.k, &bases.v}) {
    for (LearnedBasis& basis : *side) set_basis(orthonormal(basis.decoder), basis);
  }
  const auto add = [&](const LearnedBasis& basis, const Vector& deviations) {
    const int d = int(basis.encoder.rows());
    const Matrix one = Matrix::Identity(d, d);
    parts_.push_back({BasisNetwork(input, d, options.seed * 64 + parts_.size()),
                      basis.decoder,
                      turn_scale(deviations),
                      {one, one}});
  };
  Vector keys = Vector::Zero(bases.k[0].encoder.rows());
  for (const LearnedBasis& basis : bases.k) keys += basis.deviations().cwiseAbs2();
  add(bases.k[0], keys.cwiseSqrt());
  for (const LearnedBasis& basis : bases.v) add(basis, basis.deviations());
}

void NetworkSteps::step(const LayerGradient& gradient, LayerBases& bases) {
  adam_.begin_step();
  Matrix d_keys = Matrix::Zero(bases.k[0].encoder.rows(), bases.k[0].encoder.cols());
  for (const BasisGradient& g : gradient.k) d_keys += g.encoder.transpose() + g.decoder;
  descend(0, d_keys);
  for (LearnedBasis& key : bases.k) set_basis(basis(0), key);
  for (size_t h = 0; h < bases.v.size(); ++h) {
    descend(h + 1, gradient.v[h].encoder.transpose() + gradient.v[h].decoder);
    set_basis(basis(h + 1), bases.v[h]);
  }
}

void NetworkSteps::descend(size_t id, const Matrix& d_basis) {
  Part& part = parts_[id];
  const Matrix d_square = qr_backward(part.factors, part.start.transpose() * d_basis);
  part.network.descend(adam_, id, d_square.cwiseProduct(part.scale));
  const Matrix one = Matrix::Identity(d_basis.rows(), d_basis.cols());
  part.factors = qr(one + part.network.output().cwiseProduct(part.scale));
}

}  // namespace lowkey::calib
