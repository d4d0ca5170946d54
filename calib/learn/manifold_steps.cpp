#include "calib/learn/manifold_steps.h"

#include <algorithm>

#include "calib/learn/stiefel.h"

namespace lowkey::calib {

Matrix turn_scale(const Vector& deviation) {
  return Matrix::NullaryExpr(deviation.size(), deviation.size(), [&](auto i, auto j) {
    const double ratio = deviation(i) / deviation(j);
    return std::min(ratio, 1.0 / ratio);
  });
}

ManifoldSteps::ManifoldSteps(const LayerBases& bases, double rate, int64_t n_steps)
    // Squares forget fast: plans take turns, and their gradients differ in size.
    : turns_({.rate = rate, .beta2 = 0.98, .n_steps = n_steps}),
      stretches_({.rate = rate, .beta2 = 0.98, .n_steps = n_steps}) {
  for (const auto* side : {&bases.k, &bases.v}) {
    for (const LearnedBasis& basis : *side) scales_.push_back(turn_scale(basis.deviations()));
  }
}

void ManifoldSteps::step(const LayerGradient& gradient, LayerBases& bases) {
  turns_.begin_step();
  stretches_.begin_step();
  const size_t n = bases.k.size();
  for (size_t h = 0; h < n; ++h) {
    move(h, gradient.k[h], bases.k[h]);
    move(n + h, gradient.v[h], bases.v[h]);
  }
}

void ManifoldSteps::move(size_t id, const BasisGradient& gradient, LearnedBasis& basis) {
  // E moves by -X E, D by D X: the loss by <D^T dD - dE E^T, X>.
  const Matrix g = skew(basis.decoder.transpose() * gradient.decoder -
                        gradient.encoder * basis.encoder.transpose());
  const Matrix zero = Matrix::Zero(g.rows(), g.cols());
  const Matrix& scale = scales_[id];
  const Matrix x = scale.cwiseProduct(turns_.update(id, zero, scale.cwiseProduct(g)));
  basis.encoder = cayley(-x) * basis.encoder;
  basis.decoder = basis.decoder * cayley(x);
  const Matrix stretch = stretches_.update(id, zero.col(0), gradient.stretch);
  basis.stretch.array() *= stretch.col(0).array().exp();
}

}  // namespace lowkey::calib
