#include "calib/learn/model_descent.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "base/tasks.h"
#include "calib/learn/manifold_steps.h"

namespace lowkey::calib {
namespace {

class ModelDescent {
 public:
  ModelDescent(const ModelLoss& loss, const std::vector<std::vector<LayerWidths>>& plans,
               const ModelDescentOptions& options, std::vector<LayerBases>& bases)
      : loss_(loss),
        plans_(plans),
        o_(options),
        bases_(bases),
        n_train_(loss.n_texts() - std::max<size_t>(1, loss.n_texts() / 6)),
        rng_(options.seed) {
    steps_per_epoch_ = std::max<int64_t>(1, int64_t(n_train_) / o_.texts_per_step);
    for (const LayerBases& layer : bases_) {
      steps_.emplace_back(layer, o_.rate, o_.n_epochs * steps_per_epoch_);
    }
  }

  ModelDescentReport run() {
    for (size_t p = 0; p < plans_.size(); ++p) start_.push_back(std::max(held_loss(p), 1e-20));
    std::vector<LayerBases> best = bases_;
    int stale = 0;
    while (report_.epochs < o_.n_epochs && stale < o_.patience && !report_.stopped) {
      run_epoch();
      if (report_.stopped) break;
      ++report_.epochs;
      last_ = mean_held_loss();
      stale = last_ < report_.loss ? 0 : stale + 1;
      if (stale > 0) continue;
      report_.loss = last_;
      best = bases_;
    }
    bases_ = std::move(best);
    return report_;
  }

 private:
  double held_loss(size_t plan) const {
    const auto n = int64_t(loss_.n_texts() - n_train_);
    std::vector<double> losses(size_t(n), 0.0);
    for_each_task(o_.n_threads, n, [&](int64_t i) {
      losses[size_t(i)] = loss_(n_train_ + size_t(i), bases_, plans_[plan]);
    });
    return std::accumulate(losses.begin(), losses.end(), 0.0) / double(n);
  }

  /// Of two plans, a third of the way from either end: all would take as long as the learning.
  double mean_held_loss() const {
    const size_t low = plans_.size() / 3, high = plans_.size() - 1 - low;
    return (held_loss(low) / start_[low] + held_loss(high) / start_[high]) / 2;
  }

  void run_epoch() {
    // Own draws: the standard's distributions differ between libraries.
    std::vector<size_t> order(n_train_);
    std::iota(order.begin(), order.end(), size_t{0});
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng_() % i]);
    const int64_t total = o_.n_epochs * steps_per_epoch_;
    for (int64_t s = 0; s < steps_per_epoch_ && !report_.stopped; ++s) {
      const size_t at = size_t(s * o_.texts_per_step);
      const size_t n = std::min(size_t(o_.texts_per_step), order.size() - at);
      step({order.data() + at, n}, rng_() % plans_.size());
      const int64_t done = report_.epochs * steps_per_epoch_ + s + 1;
      report_.stopped = o_.progress && !o_.progress(done, total, last_);
    }
  }

  void step(std::span<const size_t> texts, size_t plan) {
    std::vector<std::vector<LayerGradient>> own(texts.size(), loss_.zero_gradient());
    const double weight = 1.0 / (double(texts.size()) * start_[plan]);
    for_each_task(o_.n_threads, int64_t(texts.size()), [&](int64_t i) {
      loss_(texts[size_t(i)], bases_, plans_[plan], &own[size_t(i)], weight);
    });
    for_each_task(o_.n_threads, int64_t(bases_.size()), [&](int64_t l) {
      LayerGradient& sum = own[0][size_t(l)];
      for (size_t i = 1; i < own.size(); ++i) sum.add(own[i][size_t(l)]);
      steps_[size_t(l)].step(sum, bases_[size_t(l)]);
    });
  }

  const ModelLoss& loss_;
  const std::vector<std::vector<LayerWidths>>& plans_;
  const ModelDescentOptions& o_;
  std::vector<LayerBases>& bases_;
  size_t n_train_;
  int64_t steps_per_epoch_ = 1;
  std::mt19937_64 rng_;
  std::vector<ManifoldSteps> steps_;  // one for each layer
  std::vector<double> start_;         // divergence of each plan before the first step
  double last_ = 1;
  ModelDescentReport report_;
};

}  // namespace

ModelDescentReport descend(const ModelLoss& loss,
                           const std::vector<std::vector<LayerWidths>>& plans,
                           const ModelDescentOptions& options, std::vector<LayerBases>& bases) {
  return ModelDescent(loss, plans, options, bases).run();
}

}  // namespace lowkey::calib
