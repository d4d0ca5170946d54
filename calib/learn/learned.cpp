#include "calib/learn/learned.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "calib/learn/adam.h"
#include "calib/learn/stiefel.h"

namespace lowkey::calib {
namespace {

/// How far coordinate j may lean into i in one step, as a share of the rate: a small coordinate
/// must not drown in a large one.
Matrix lean_scale(const Vector& deviation, bool orthonormal) {
  return Matrix::NullaryExpr(deviation.size(), deviation.size(), [&](auto i, auto j) {
    const double ratio = deviation(i) / deviation(j);
    return std::min(ratio, orthonormal ? 1.0 / ratio : 1.0);
  });
}

class Descent {
 public:
  Descent(const LayerLoss& loss, const std::vector<LayerWidths>& plans,
          const DescentOptions& options, LayerBases& bases)
      : loss_(loss),
        plans_(plans),
        o_(options),
        bases_(bases),
        n_held_(std::max<size_t>(1, loss.n_texts() / 6)),
        adam_({.rate = options.rate,
               .beta2 = 0.98,
               .n_steps = int64_t(options.n_epochs) * steps_per_epoch()}),
        rng_(options.seed) {
    for (auto* side : {&bases_.k, &bases_.v}) {
      for (const LearnedBasis& basis : *side) {
        scales_.push_back(lean_scale(basis.deviations(), o_.orthonormal));
      }
    }
    for (const LayerWidths& plan : plans_) start_.push_back(std::max(held_loss(plan), 1e-20));
  }

  DescentReport run() {
    DescentReport report;
    LayerBases best = bases_;
    int stale = 0;
    for (int epoch = 0; epoch < o_.n_epochs && stale < o_.patience; ++epoch) {
      run_epoch();
      report.epochs = epoch + 1;
      const double now = held_loss();
      stale = now < report.loss ? 0 : stale + 1;
      if (now < report.loss) {
        report.loss = now;
        best = bases_;
      }
      if (o_.progress && !o_.progress(report.epochs, now)) break;
    }
    bases_ = std::move(best);
    return report;
  }

 private:
  size_t n_train() const { return loss_.n_texts() - n_held_; }
  int64_t steps_per_epoch() const {
    return std::max<int64_t>(1, int64_t(n_train()) / o_.texts_per_step);
  }

  double held_loss(const LayerWidths& plan) const {
    double sum = 0;
    for (size_t i = n_train(); i < loss_.n_texts(); ++i) sum += loss_(i, bases_, plan);
    return sum / double(n_held_);
  }

  /// Mean over plans of the loss relative to the start's.
  double held_loss() const {
    double sum = 0;
    for (size_t p = 0; p < plans_.size(); ++p) sum += held_loss(plans_[p]) / start_[p];
    return sum / double(plans_.size());
  }

  void run_epoch() {
    // Own draws: the standard's distributions differ between libraries.
    std::vector<size_t> order(n_train());
    std::iota(order.begin(), order.end(), size_t{0});
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng_() % i]);
    size_t at = 0;
    for (int64_t s = 0; s < steps_per_epoch(); ++s) {
      const size_t plan = rng_() % plans_.size();
      const size_t n = std::min(size_t(o_.texts_per_step), order.size() - at);
      LayerGradient gradient = loss_.zero_gradient();
      for (size_t i = 0; i < n; ++i) {
        loss_(order[at++], bases_, plans_[plan], &gradient, 1.0 / (double(n) * start_[plan]));
      }
      step(gradient);
    }
  }

  void step(const LayerGradient& gradient) {
    adam_.begin_step();
    const size_t n = bases_.k.size();
    for (size_t h = 0; h < n; ++h) {
      move(h, gradient.k[h], bases_.k[h]);
      move(n + h, gradient.v[h], bases_.v[h]);
    }
  }

  /// D <- D (I + X), E <- (I - X) E to first order, and exactly inverse to each other.
  void move(size_t id, const BasisGradient& gradient, LearnedBasis& basis) {
    Matrix g = basis.decoder.transpose() * gradient.decoder -
               gradient.encoder * basis.encoder.transpose();
    if (o_.orthonormal) g = skew(g);
    const Matrix& scale = scales_[id];
    const Matrix x =
        scale.cwiseProduct(adam_.update(id, Matrix::Zero(g.rows(), g.cols()),
                                        scale.cwiseProduct(g)));
    basis.encoder = cayley(-x) * basis.encoder;
    basis.decoder = basis.decoder * cayley(x);
  }

  const LayerLoss& loss_;
  const std::vector<LayerWidths>& plans_;
  const DescentOptions& o_;
  LayerBases& bases_;
  size_t n_held_;
  Adam adam_;
  std::mt19937_64 rng_;
  std::vector<Matrix> scales_;  // [K heads, V heads]
  std::vector<double> start_;   // loss of each plan before the first step
};

}  // namespace

DescentReport descend(const LayerLoss& loss, const std::vector<LayerWidths>& plans,
                      const DescentOptions& options, LayerBases& bases) {
  return Descent(loss, plans, options, bases).run();
}

}  // namespace lowkey::calib
