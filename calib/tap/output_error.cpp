#include "calib/tap/output_error.h"

#include <cmath>
#include <memory>

#include "base/tasks.h"
#include "calib/build.h"
#include "calib/learn/layer_model.h"
#include "calib/learn/sample.h"
#include "calib/plan.h"
#include "calib/simulate.h"

namespace lowkey::calib {

namespace {

constexpr double kLeastError = 1e-12;

/// Errors of one layer by what is coded; [levels] each.
struct Rows3 {
  std::vector<double> keys, values, both;
};

class SurfaceMeter {
 public:
  SurfaceMeter(const engine::Engine& engine, const OutputErrorOptions& options)
      : engine_(engine), o_(options) {}

  Status prepare(const models::BasisFile& file, const std::vector<double>& levels) {
    for (const double level : levels) {
      LK_ASSIGN(models::BasisFile coded, file_at_level(file, o_.rank_only, level));
      codes_.push_back(
          simulated_code(engine_, std::make_shared<const models::BasisFile>(std::move(coded))));
    }
    return {};
  }

  Rows3 measure(int layer, const LayerSample& sample) {
    const models::ModelConfig& c = engine_.config();
    const LayerModel<float> model(
        layer_matrices<float>(engine_.weights().layers[size_t(layer)], c.norm_eps),
        {c.n_heads, c.n_kv_heads, c.head_dim}, {o_.n_sinks, o_.window});
    const size_t n = codes_.size();
    std::vector<double> errors(3 * n, 0.0);
    for (const SampledText& text : sample.texts) add_text(model, layer, text, errors);
    const auto part = [&](size_t i) {
      return std::vector<double>(errors.begin() + std::ptrdiff_t(i * n),
                                 errors.begin() + std::ptrdiff_t((i + 1) * n));
    };
    return {part(0), part(1), part(2)};
  }

 private:
  /// errors [keys, values, both][levels] += this text's, mean over texts.
  void add_text(const LayerModel<float>& model, int layer, const SampledText& text,
                std::vector<double>& errors) const {
    const size_t n = codes_.size();
    const LayerText<float>& rows = text.rows;
    LayerTape<float> exact_tape;
    const Rows<float> exact = model.forward(rows, {rows.k, rows.v}, exact_tape);
    std::vector<KvRows<float>> coded(n, {rows.k, rows.v});
    for (size_t i = 0; i < n; ++i) {  // codes use the engine's team: not within tasks
      codes_[i](layer, text.first, view(coded[i].k), view(coded[i].v));
    }
    for_each_task(o_.n_threads, int64_t(3 * n), [&](int64_t task) {
      const size_t what = size_t(task) / n, level = size_t(task) % n;
      LayerTape<float> tape;
      const KvRows<float> part{what == 1 ? rows.k : coded[level].k,
                               what == 0 ? rows.v : coded[level].v};
      const Rows<float> moved = model.forward(rows, part, tape) - exact;
      const double relative = (moved.rowwise().squaredNorm().cast<double>().array() /
                               exact.rowwise().squaredNorm().cast<double>().array())
                                  .mean();
      errors[size_t(task)] += relative / double(o_.n_texts);
    });
  }

  static MatrixView<float> view(Rows<float>& rows) {
    return matrix<float>(rows.data(), rows.rows(), rows.cols());
  }

  const engine::Engine& engine_;
  const OutputErrorOptions& o_;
  std::vector<engine::RowCodec> codes_;  // one for each level
};

}  // namespace

std::vector<double> profile_levels(bool rank_only) {
  if (!rank_only) return {0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0};
  std::vector<double> levels;
  for (const double share : {0.25, 0.4, 0.55, 0.7, 0.85, 1.0}) levels.push_back(16 * share);
  return levels;
}

Result<models::BasisFile> file_at_level(models::BasisFile file, bool rank_only, double level) {
  const WidthRules rules = width_rules(rank_only);
  const auto bits = int64_t(std::floor(level * file.n_kv_heads * file.head_dim + 1e-6));
  for (models::LayerBasis& layer : file.layers) {
    for (models::SideBasis* side : {&layer.k, &layer.v}) {
      LK_ASSIGN(const Allocation own, allocate_widths(side_sets(*side, 1.0), bits, rules));
      set_side_widths(*side, own.widths);
    }
  }
  return file;
}

std::vector<float> error_surface(std::span<const double> keys, std::span<const double> values,
                                 std::span<const double> both) {
  const size_t n = both.size();
  std::vector<double> interaction(n);
  for (size_t i = 0; i < n; ++i) {
    interaction[i] = std::max(both[i], kLeastError) / std::max(keys[i] + values[i], kLeastError);
  }
  std::vector<float> surface;
  for (size_t k = 0; k < n; ++k) {
    for (size_t v = 0; v < n; ++v) {
      const double factor = std::sqrt(interaction[k] * interaction[v]);
      surface.push_back(float((keys[k] + values[v]) * factor));
    }
  }
  return surface;
}

Status measure_surfaces(const engine::Engine& engine, std::span<const int32_t> tokens,
                        const OutputErrorOptions& options, models::BasisFile& file) {
  OutputErrorOptions o = options;
  SampleOptions sample;
  sample.n_chunk = o.n_chunk;
  sample.n_positions = o.n_positions;
  sample.exact = {o.n_sinks, o.window};
  sample.n_texts = o.n_texts;
  sample.n_queries = o.n_queries;
  file.profile.levels = profile_levels(o.rank_only);
  const size_t n_layers = file.layers.size(), n_levels = file.profile.levels.size();
  LK_ASSIGN(WorkLog log, WorkLog::open(o.checkpoint, "surfaces", n_levels * n_levels));
  std::vector<LayerSample> samples;
  SurfaceMeter meter(engine, o);
  if (log.n_known() < n_layers) {
    LK_ASSIGN(samples, sample_texts(engine, tokens, sample));
    o.n_texts = int(samples[0].texts.size());
    LK_RETURN_IF_ERROR(meter.prepare(file, file.profile.levels));
  }
  for (size_t l = log.n_known(); l < n_layers; ++l) {
    const Rows3 rows = meter.measure(int(l), samples[l]);
    const std::vector<float> surface = error_surface(rows.keys, rows.values, rows.both);
    LK_RETURN_IF_ERROR(log.add(std::vector<double>(surface.begin(), surface.end())));
    if (o.progress && !o.progress(int64_t(l + 1), int64_t(n_layers))) {
      return make_error(ErrorCode::kCancelled, "calibration", "stopped");
    }
  }
  file.profile.surfaces.clear();
  for (size_t l = 0; l < n_layers; ++l) {
    const auto unit = log.unit(l);
    file.profile.surfaces.emplace_back(unit.begin(), unit.end());
  }
  return {};
}

}  // namespace lowkey::calib
