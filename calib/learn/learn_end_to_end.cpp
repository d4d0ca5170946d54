#include "base/tasks.h"
#include "calib/learn/learn.h"
#include "calib/learn/learned_file.h"
#include "calib/learn/model_descent.h"

namespace lowkey::calib {
namespace {

constexpr int kChunk = 512;  // tokens of a text: their activations are all in memory at once

ModelLossOptions loss_options(const LearnOptions& o) {
  ModelLossOptions out;
  out.n_chunk = std::min(kChunk, o.n_chunk);
  out.n_positions = o.n_positions;
  out.exact = {o.n_sinks, o.window};
  return out;
}

ModelDescentOptions descent_options(const LearnOptions& o) {
  ModelDescentOptions out;
  out.seed = o.seed * 1000003 + 1;
  out.n_threads = o.n_threads;
  if (o.progress) {
    out.progress = [&o](int64_t done, int64_t total, double loss) {
      if (o.on_loss) o.on_loss(loss);
      return o.progress("learning end to end", done, total);
    };
  }
  return out;
}

}  // namespace

Result<LearnReport> learn_end_to_end(const engine::Engine& engine, std::span<const int32_t> tokens,
                                     const std::vector<LayerStatistics>& statistics,
                                     const LearnOptions& o, models::BasisFile& file) {
  if (file.joint || o.plans.empty()) {
    return make_error(ErrorCode::kUnsupported, "learned bases",
                      "expected one basis per head, found joint ones");
  }
  if (o.restarts != 1) {
    return make_error(
        ErrorCode::kUnsupported, "--restarts",
        "expected 1 where all layers are learned together, found " + std::to_string(o.restarts));
  }
  std::vector<LayerProblems> problems;
  std::vector<LayerBases> bases;
  std::vector<KeyFrame> frames;
  for (size_t l = 0; l < statistics.size(); ++l) {
    LK_ASSIGN(LayerProblems own, problems_of(statistics[l], o.problem, file.layers[l]));
    bases.push_back(from_file(file.layers[l], own));
    frames.push_back(key_frame(own, o.problem));
    problems.push_back(std::move(own));
  }
  std::vector<std::vector<LayerWidths>> plans;
  for (const models::BasisFile& plan : o.plans) {
    plans.emplace_back();
    for (const models::LayerBasis& layer : plan.layers) plans.back().push_back(widths_of(layer));
  }
  LK_ASSIGN(const ModelLoss loss,
            ModelLoss::create(engine, tokens, std::move(frames), loss_options(o)));
  const ModelDescentReport report = descend(loss, plans, descent_options(o), bases);
  if (report.stopped) return make_error(ErrorCode::kCancelled, "calibration", "stopped");
  for (size_t l = 0; l < bases.size(); ++l) to_file(bases[l], problems[l], file.layers[l]);
  return LearnReport{report.loss};
}

}  // namespace lowkey::calib
