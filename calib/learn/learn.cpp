#include "calib/learn/learn.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/tasks.h"
#include "calib/learn/kept_layers.h"
#include "calib/learn/learned_file.h"
#include "calib/learn/manifold_steps.h"
#include "calib/learn/network_steps.h"

namespace lowkey::calib {
namespace {

Status check(const LearnOptions& o, const models::BasisFile& file) {
  if (!file.joint && !o.plans.empty()) return {};
  return make_error(ErrorCode::kUnsupported, "learned bases",
                    "expected one basis per head, found joint ones");
}

/// Counts epochs of all layers; asks the caller, one thread at a time, whether to go on.
class Epochs {
 public:
  Epochs(const LearnOptions& options, int64_t total, int64_t done)
      : o_(options), done_(done), total_(total) {}
  /// `loss`: what try `id` of a layer has now.
  bool done(int id, int64_t n, double loss) {
    const std::lock_guard lock(mutex_);
    done_ += n;
    losses_[id] = loss;
    if (o_.on_loss) o_.on_loss(mean_loss());
    if (o_.progress && !stopped_) stopped_ = !o_.progress("learning", done_, total_);
    return !stopped_;
  }
  bool stopped() const { return stopped_; }

 private:
  double mean_loss() const {
    double sum = 0;
    for (const auto& [id, loss] : losses_) sum += loss;
    return sum / double(losses_.size());
  }

  const LearnOptions& o_;
  std::mutex mutex_;
  std::map<int, double> losses_;
  int64_t done_, total_;
  std::atomic<bool> stopped_ = false;
};

/// A layer learned from one seed.
struct Try {
  models::LayerBasis layer;
  double loss = 1;
};

DescentOptions descent_options(const LearnOptions& o, int layer, int restart) {
  DescentOptions out;
  out.n_epochs = o.learning == Learning::kStiefel ? 50 : 30;
  out.rate = o.learning == Learning::kStiefel ? 5e-3 : 3e-3;
  out.seed = (o.seed + (uint64_t(restart) << 32)) * 1000003 + uint64_t(layer);
  return out;
}

class Learner {
 public:
  Learner(const engine::Engine& engine, const LearnOptions& options, const models::BasisFile& start)
      : engine_(engine), o_(options), start_(start) {}

  Result<Try> learn(int l, int restart, LayerSample sample, const LayerStatistics& statistics,
                    Epochs& epochs) const {
    models::LayerBasis layer = start_.layers[size_t(l)];
    LK_ASSIGN(const LayerProblems problems, problems_of(statistics, o_.problem, layer));
    LayerBases bases = from_file(layer, problems);
    const LayerLoss loss(engine_, l, {o_.n_sinks, o_.window}, key_frame(problems, o_.problem),
                         std::move(sample.texts));
    std::vector<LayerWidths> plans;
    for (const auto& plan : o_.plans) plans.push_back(widths_of(plan.layers[size_t(l)]));
    DescentOptions options = descent_options(o_, l, restart);
    const int id = l * o_.restarts + restart;
    options.progress = [&](int, double now) { return epochs.done(id, 1, now); };
    const auto steps =
        make_steps(loss, options, network_input(sample.mean, sample.variance), bases);
    const DescentReport report = descend(loss, plans, options, *steps, bases);
    epochs.done(id, options.n_epochs - report.epochs, report.loss);
    to_file(bases, problems, layer);
    if (o_.learning == Learning::kStiefel) share_importance(layer.k);
    return Try{std::move(layer), report.loss};
  }

 private:
  std::unique_ptr<BasisSteps> make_steps(const LayerLoss& loss, const DescentOptions& options,
                                         const Vector& input, LayerBases& bases) const {
    const int64_t n_steps = options.n_epochs * steps_per_epoch(loss, options);
    if (o_.learning == Learning::kStiefel) {
      return std::make_unique<NetworkSteps>(bases, input, options, n_steps);
    }
    return std::make_unique<ManifoldSteps>(bases, options.rate, n_steps);
  }

  const engine::Engine& engine_;
  const LearnOptions& o_;
  const models::BasisFile& start_;
};

/// Tries of the layers that are left, one task each; a layer's best is taken when all its tries are
/// done, so that neither threads nor their order matter.
class Tries {
 public:
  Tries(const Learner& learner, const LearnOptions& options, std::vector<size_t> left,
        Epochs& epochs)
      : learner_(learner), o_(options), left_(std::move(left)), epochs_(epochs), of_(left_.size()) {
    for (auto& tries : of_) tries.resize(size_t(o_.restarts));
  }

  int64_t n_tasks() const { return int64_t(left_.size()) * o_.restarts; }

  /// keep(layer's index, its best try) is called once for every layer.
  template <class Keep>
  Status run(int64_t task, std::vector<LayerSample>& samples,
             const std::vector<LayerStatistics>& statistics, const Keep& keep) {
    const size_t i = size_t(task / o_.restarts), l = left_[i];
    const int restart = int(task % o_.restarts);
    if (epochs_.stopped()) return {};
    LK_ASSIGN(Try result, learner_.learn(int(l), restart, samples[l], statistics[l], epochs_));
    std::vector<std::optional<Try>>& tries = of_[i];
    {
      const std::lock_guard lock(mutex_);
      tries[size_t(restart)] = std::move(result);
      for (const auto& one : tries) {
        if (!one) return {};
      }
    }
    if (epochs_.stopped()) return {};  // perhaps within one of these tries
    const auto loss = [](const std::optional<Try>& one) { return one->loss; };
    samples[l] = {};
    return keep(l, std::move(**std::ranges::min_element(tries, {}, loss)));
  }

 private:
  const Learner& learner_;
  const LearnOptions& o_;
  std::vector<size_t> left_;
  Epochs& epochs_;
  std::mutex mutex_;
  std::vector<std::vector<std::optional<Try>>> of_;  // [left][restarts]
};

SampleOptions sample_options(const LearnOptions& o) {
  SampleOptions out;
  out.n_chunk = o.n_chunk;
  out.n_positions = o.n_positions;
  out.exact = {o.n_sinks, o.window};
  if (o.progress) {
    out.progress = [&o](int64_t done, int64_t total) {
      return o.progress("texts to learn from", done, total);
    };
  }
  return out;
}

/// The method's basis of the keys of all heads together.
Result<Basis> shared_key_basis(const LayerProblems& problems, const Method& method) {
  Problem all = problems.k[0];
  for (size_t h = 1; h < problems.k.size(); ++h) {
    all.covariance += problems.k[h].covariance;
    all.metric += problems.k[h].metric;
  }
  return method.solve(all);
}

}  // namespace

Status share_key_bases(const std::vector<LayerStatistics>& statistics,
                       const ProblemOptions& options, const Method& method,
                       models::BasisFile& file) {
  if (file.joint || options.centring == Centring::kRotary) {
    return make_error(ErrorCode::kUnsupported, "shared key bases",
                      "expected bases per head and keys centred by a constant or not at all, found "
                      "others");
  }
  for (size_t l = 0; l < statistics.size(); ++l) {
    LK_ASSIGN(const LayerProblems problems, problems_of(statistics[l], options, file.layers[l]));
    LK_ASSIGN(const Basis shared, shared_key_basis(problems, method));
    for (size_t h = 0; h < problems.k.size(); ++h) {
      const Vector ones = Vector::Ones(shared.mean.size());
      const LearnedBasis own{shared.encoder, shared.decoder, problems.k[h].mean,
                             problems.k[h].covariance, ones};
      to_file(own, problems.k[h], file.layers[l].k.heads[h]);
    }
    share_importance(file.layers[l].k);
  }
  return {};
}

Result<LearnReport> learn_bases(const engine::Engine& engine, std::span<const int32_t> tokens,
                                const std::vector<LayerStatistics>& statistics,
                                const LearnOptions& o, models::BasisFile& file) {
  LK_RETURN_IF_ERROR(check(o, file));
  const size_t n = file.layers.size();
  std::vector<double> losses(n);
  LK_ASSIGN(const std::vector<size_t> left, read_kept(o.checkpoint, file, losses));
  std::vector<LayerSample> samples;
  if (!left.empty()) {
    LK_ASSIGN(samples, sample_texts(engine, tokens, sample_options(o)));
  }
  const int64_t n_epochs = int64_t{descent_options(o, 0, 0).n_epochs} * o.restarts;
  Epochs epochs(o, int64_t(n) * n_epochs, int64_t(n - left.size()) * n_epochs);
  const models::BasisFile start = file;
  const Learner learner(engine, o, start);
  Tries tries(learner, o, left, epochs);
  std::vector<Status> statuses(size_t(tries.n_tasks()));
  for_each_task(o.n_threads, tries.n_tasks(), [&](int64_t i) {
    statuses[size_t(i)] = tries.run(i, samples, statistics, [&](size_t l, Try best) {
      file.layers[l] = std::move(best.layer);
      losses[l] = best.loss;
      return keep_layer(o.checkpoint, l, file.layers[l], losses[l]);
    });
  });
  if (epochs.stopped()) return make_error(ErrorCode::kCancelled, "calibration", "stopped");
  for (const Status& status : statuses) LK_RETURN_IF_ERROR(status);
  LearnReport report{0};
  for (const double loss : losses) report.loss += loss / double(n);
  return report;
}

}  // namespace lowkey::calib
