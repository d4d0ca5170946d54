#include "calib/learn/learn.h"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <mutex>

#include <Eigen/LU>

#include "base/tasks.h"
#include "calib/learn/learned.h"

namespace lowkey::calib {
namespace {

using models::HeadBasis;
using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Matrix square(const std::vector<float>& m, int d) {
  return Eigen::Map<const RowMajor>(m.data(), d, d).cast<double>();
}

LearnedBasis from_file(const HeadBasis& head, const Problem& problem) {
  LearnedBasis out;
  out.encoder = square(head.encoder, head.d());
  // Inverse in double: the file's decoder is rounded.
  out.decoder = out.encoder.inverse();
  out.mean = problem.mean;
  out.covariance = problem.covariance;
  return out;
}

/// Back into the file, with latents of mean variance 1 (full latents are kept as f16).
void to_file(const LearnedBasis& learned, const Problem& problem, HeadBasis& head) {
  Basis basis;
  basis.encoder = learned.encoder;
  basis.decoder = learned.decoder;
  complete_basis(problem, basis);
  const double mean = basis.variances.mean(), scale = mean > 0 ? 1.0 / std::sqrt(mean) : 1.0;
  const int d = head.d();
  Eigen::Map<RowMajor>(head.encoder.data(), d, d) = (basis.encoder * scale).cast<float>();
  Eigen::Map<RowMajor>(head.decoder.data(), d, d) = (basis.decoder / scale).cast<float>();
  for (int i = 0; i < d; ++i) {
    head.variances[size_t(i)] = float(basis.variances(i) * scale * scale);
    head.costs[size_t(i)] = float(basis.costs(i) / (scale * scale));
    head.mean[size_t(i)] = float(basis.mean(i));
  }
}

LayerWidths widths_of(const models::LayerBasis& layer) {
  LayerWidths out;
  for (const HeadBasis& head : layer.k.heads) out.k.push_back(head.widths);
  for (const HeadBasis& head : layer.v.heads) out.v.push_back(head.widths);
  return out;
}

struct LayerProblems {
  std::vector<Problem> k, v;
};

Result<LayerProblems> problems_of(const LayerStatistics& statistics,
                                  const ProblemOptions& options) {
  LayerProblems out;
  for (int h = 0; h < statistics.shape.n_kv_heads; ++h) {
    LK_ASSIGN(Problem k, key_problem(statistics, options, h));
    LK_ASSIGN(Problem v, value_problem(statistics, options, h));
    out.k.push_back(std::move(k));
    out.v.push_back(std::move(v));
  }
  return out;
}

Status check(const LearnOptions& o, const models::BasisFile& file) {
  if (!file.joint && o.problem.centring != Centring::kRotary && !o.plans.empty()) return {};
  return make_error(ErrorCode::kUnsupported, "learned bases",
                    "expected one basis per head and keys centred by a constant or not at all, "
                    "found others");
}

/// Counts epochs of all layers; asks the caller, one thread at a time, whether to go on.
class Epochs {
 public:
  Epochs(const LearnOptions& options, int64_t total) : o_(options), total_(total) {}
  bool done(int64_t n) {
    const std::lock_guard lock(mutex_);
    done_ += n;
    if (o_.progress && !stopped_) stopped_ = !o_.progress("learning", done_, total_);
    return !stopped_;
  }
  bool stopped() const { return stopped_; }

 private:
  const LearnOptions& o_;
  std::mutex mutex_;
  int64_t done_ = 0, total_ = 0;
  std::atomic<bool> stopped_ = false;
};

class Learner {
 public:
  Learner(const engine::Engine& engine, const LearnOptions& options, models::BasisFile& file)
      : engine_(engine), o_(options), file_(file) {}

  Result<DescentReport> learn(int l, std::vector<SampledText> texts,
                              const LayerStatistics& statistics, Epochs& epochs) {
    LK_ASSIGN(const LayerProblems problems, problems_of(statistics, o_.problem));
    models::LayerBasis& layer = file_.layers[size_t(l)];
    LayerBases bases;
    for (size_t h = 0; h < problems.k.size(); ++h) {
      bases.k.push_back(from_file(layer.k.heads[h], problems.k[h]));
      bases.v.push_back(from_file(layer.v.heads[h], problems.v[h]));
    }
    const LayerLoss loss(engine_, l, {o_.n_sinks, o_.window}, o_.problem.pre_rope,
                         std::move(texts));
    std::vector<LayerWidths> plans;
    for (const auto& plan : o_.plans) plans.push_back(widths_of(plan.layers[size_t(l)]));
    DescentOptions descent;
    if (const char* s = getenv("LK_RATE")) descent.rate = atof(s);
    if (const char* s = getenv("LK_EPOCHS")) descent.n_epochs = atoi(s);
    if (getenv("LK_ORTHO")) descent.orthonormal = true;
    descent.seed = o_.seed * 1000003 + uint64_t(l);
    descent.progress = [&](int, double) { return epochs.done(1); };
    const DescentReport report = descend(loss, plans, descent, bases);
    epochs.done(descent.n_epochs - report.epochs);
    if (getenv("LK_RATE")) fprintf(stderr, "layer %d: %.4f after %d\n", l, report.loss, report.epochs);
    for (size_t h = 0; h < problems.k.size(); ++h) {
      to_file(bases.k[h], problems.k[h], layer.k.heads[h]);
      to_file(bases.v[h], problems.v[h], layer.v.heads[h]);
    }
    return report;
  }

 private:
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

}  // namespace

Result<LearnReport> learn_bases(const engine::Engine& engine, std::span<const int32_t> tokens,
                                const std::vector<LayerStatistics>& statistics,
                                const LearnOptions& o, models::BasisFile& file) {
  LK_RETURN_IF_ERROR(check(o, file));
  LK_ASSIGN(auto texts, sample_texts(engine, tokens, sample_options(o)));
  const size_t n = texts.size();
  std::vector<Status> statuses(n);
  std::vector<double> losses(n);
  Epochs epochs(o, int64_t(n) * DescentOptions().n_epochs);
  Learner learner(engine, o, file);
  for_each_task(o.n_threads, int64_t(n), [&](int64_t l) {
    if (epochs.stopped()) return;
    auto report =
        learner.learn(int(l), std::move(texts[size_t(l)]), statistics[size_t(l)], epochs);
    if (!report.ok()) statuses[size_t(l)] = report.error();
    if (report.ok()) losses[size_t(l)] = report.value().loss;
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
