#include "calib/learn/learn.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include "base/tasks.h"
#include "calib/learn/kept_layers.h"
#include "calib/learn/learned_file.h"
#include "calib/learn/manifold_steps.h"
#include "calib/learn/network_steps.h"

namespace lowkey::calib {
namespace {

using models::HeadBasis;

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
  /// `loss`: what `layer` has now.
  bool done(int layer, int64_t n, double loss) {
    const std::lock_guard lock(mutex_);
    done_ += n;
    losses_[layer] = loss;
    if (o_.on_loss) o_.on_loss(mean_loss());
    if (o_.progress && !stopped_) stopped_ = !o_.progress("learning", done_, total_);
    return !stopped_;
  }
  bool stopped() const { return stopped_; }

 private:
  double mean_loss() const {
    double sum = 0;
    for (const auto& [layer, loss] : losses_) sum += loss;
    return sum / double(losses_.size());
  }

  const LearnOptions& o_;
  std::mutex mutex_;
  std::map<int, double> losses_;
  int64_t done_, total_;
  std::atomic<bool> stopped_ = false;
};

DescentOptions descent_options(const LearnOptions& o, int layer) {
  DescentOptions out;
  out.n_epochs = o.learning == Learning::kStiefel ? 50 : 30;
  out.rate = o.learning == Learning::kStiefel ? 5e-3 : 3e-3;
  out.seed = o.seed * 1000003 + uint64_t(layer);
  return out;
}

class Learner {
 public:
  Learner(const engine::Engine& engine, const LearnOptions& options, models::BasisFile& file)
      : engine_(engine), o_(options), file_(file) {}

  Result<DescentReport> learn(int l, LayerSample sample, const LayerStatistics& statistics,
                              Epochs& epochs) {
    models::LayerBasis& layer = file_.layers[size_t(l)];
    LK_ASSIGN(const LayerProblems problems, problems_of(statistics, o_.problem, layer));
    LayerBases bases = from_file(layer, problems);
    const LayerLoss loss(engine_, l, {o_.n_sinks, o_.window}, key_frame(problems, o_.problem),
                         std::move(sample.texts));
    std::vector<LayerWidths> plans;
    for (const auto& plan : o_.plans) plans.push_back(widths_of(plan.layers[size_t(l)]));
    DescentOptions options = descent_options(o_, l);
    options.progress = [&](int, double now) { return epochs.done(l, 1, now); };
    const auto steps =
        make_steps(loss, options, network_input(sample.mean, sample.variance), bases);
    const DescentReport report = descend(loss, plans, options, *steps, bases);
    epochs.done(l, options.n_epochs - report.epochs, report.loss);
    to_file(bases, problems, layer);
    if (o_.learning == Learning::kStiefel) share_importance(layer.k);
    return report;
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
  models::BasisFile& file_;
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
  std::vector<Status> statuses(n);
  std::vector<double> losses(n);
  LK_ASSIGN(const std::vector<size_t> left, read_kept(o.checkpoint, file, losses));
  std::vector<LayerSample> samples;
  if (!left.empty()) {
    LK_ASSIGN(samples, sample_texts(engine, tokens, sample_options(o)));
  }
  const int n_epochs = descent_options(o, 0).n_epochs;
  Epochs epochs(o, int64_t(n) * n_epochs, int64_t(n - left.size()) * n_epochs);
  Learner learner(engine, o, file);
  for_each_task(o.n_threads, int64_t(left.size()), [&](int64_t i) {
    const size_t l = left[size_t(i)];
    if (epochs.stopped()) return;
    auto report = learner.learn(int(l), std::move(samples[l]), statistics[l], epochs);
    if (!report.ok()) statuses[l] = report.error();
    if (!report.ok() || epochs.stopped()) return;  // stopped: perhaps within this layer
    losses[l] = report.value().loss;
    statuses[l] = keep_layer(o.checkpoint, l, file.layers[l], losses[l]);
  });
  if (epochs.stopped()) return make_error(ErrorCode::kCancelled, "calibration", "stopped");
  LearnReport report{0};
  for (size_t l = 0; l < n; ++l) {
    LK_RETURN_IF_ERROR(statuses[l]);
    report.loss += losses[l] / double(n);
  }
  return report;
}

}  // namespace lowkey::calib
