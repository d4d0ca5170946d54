#include "calib/learn/descend.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace lowkey::calib {
namespace {

size_t n_held_back(const LayerLoss& loss) { return std::max<size_t>(1, loss.n_texts() / 6); }

class Descent {
 public:
  Descent(const LayerLoss& loss, const std::vector<LayerWidths>& plans,
          const DescentOptions& options, LayerBases& bases)
      : loss_(loss),
        plans_(plans),
        o_(options),
        bases_(bases),
        n_train_(loss.n_texts() - n_held_back(loss)),
        rng_(options.seed) {
    for (const LayerWidths& plan : plans_) start_.push_back(std::max(held_loss(plan), 1e-20));
  }

  DescentReport run(BasisSteps& steps) {
    DescentReport report;
    LayerBases best = bases_;
    int stale = 0;
    while (report.epochs < o_.n_epochs && stale < o_.patience) {
      run_epoch(steps);
      ++report.epochs;
      const double now = mean_held_loss();
      stale = now < report.loss ? 0 : stale + 1;
      if (stale == 0) {
        report.loss = now;
        best = bases_;
      }
      if (o_.progress && !o_.progress(report.epochs, now)) break;
    }
    bases_ = std::move(best);
    return report;
  }

 private:
  double held_loss(const LayerWidths& plan) const {
    double sum = 0;
    for (size_t i = n_train_; i < loss_.n_texts(); ++i) sum += loss_(i, bases_, plan);
    return sum / double(loss_.n_texts() - n_train_);
  }

  double mean_held_loss() const {
    double sum = 0;
    for (size_t p = 0; p < plans_.size(); ++p) sum += held_loss(plans_[p]) / start_[p];
    return sum / double(plans_.size());
  }

  void run_epoch(BasisSteps& steps) {
    // Own draws: the standard's distributions differ between libraries.
    std::vector<size_t> order(n_train_);
    std::iota(order.begin(), order.end(), size_t{0});
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng_() % i]);
    size_t at = 0;
    for (int64_t s = steps_per_epoch(loss_, o_); s > 0; --s) {
      const size_t plan = rng_() % plans_.size();
      const size_t n = std::min(size_t(o_.texts_per_step), order.size() - at);
      LayerGradient gradient = loss_.zero_gradient();
      for (size_t i = 0; i < n; ++i) {
        loss_(order[at++], bases_, plans_[plan], &gradient, 1.0 / (double(n) * start_[plan]));
      }
      steps.step(gradient, bases_);
    }
  }

  const LayerLoss& loss_;
  const std::vector<LayerWidths>& plans_;
  const DescentOptions& o_;
  LayerBases& bases_;
  size_t n_train_;
  std::mt19937_64 rng_;
  std::vector<double> start_;  // loss of each plan before the first step
};

}  // namespace

int64_t steps_per_epoch(const LayerLoss& loss, const DescentOptions& options) {
  const auto n = int64_t(loss.n_texts() - n_held_back(loss));
  return std::max<int64_t>(1, n / options.texts_per_step);
}

DescentReport descend(const LayerLoss& loss, const std::vector<LayerWidths>& plans,
                      const DescentOptions& options, BasisSteps& steps, LayerBases& bases) {
  return Descent(loss, plans, options, bases).run(steps);
}

}  // namespace lowkey::calib
