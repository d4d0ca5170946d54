#include "calib/learn/sample.h"

#include <algorithm>
#include <string>
#include <utility>

namespace lowkey::calib {
namespace {

Rows<float> copy(MatrixView<const float> x) {
  return Eigen::Map<const Rows<float>, 0, Eigen::OuterStride<>>(x.data, x.rows, x.cols,
                                                                Eigen::OuterStride<>(x.stride));
}

Rows<float> pick(MatrixView<const float> x, const std::vector<int>& rows) {
  Rows<float> out(Eigen::Index(rows.size()), x.cols);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(x.row(rows[i]), x.cols, out.row(Eigen::Index(i)).data());
  }
  return out;
}

/// Every row turned by the same angle, that of position `offset`.
void shift_rows(const engine::Engine& engine, const float* turn, Rows<float>& rows) {
  const models::ModelConfig& c = engine.config();
  const int n_heads = int(rows.cols()) / c.head_dim;
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    engine.context().kernels->rope(rows.row(i).data(), n_heads, c.head_dim, turn, c.rope.n_rot,
                                   c.rope.neighbours);
  }
}

/// Evenly spread queries that read at least one coded token.
std::vector<int> query_positions(const SampleOptions& o) {
  const int first = o.exact.n_sinks + o.exact.window, n = o.n_chunk - first;
  const int count = std::min(o.n_queries, n);
  std::vector<int> positions;
  for (int i = 0; i < count; ++i) positions.push_back(first + (2 * i + 1) * n / (2 * count));
  return positions;
}

/// Gathers what the observer sees, text after text.
class Sampler {
 public:
  Sampler(const engine::Engine& engine, const SampleOptions& options, int64_t spread)
      : engine_(engine),
        positions_(query_positions(options)),
        rope_(engine.config().rope),
        layers_(size_t(engine.config().n_layers)) {
    rope_.reserve(spread + options.n_chunk);
    const Vector zero = Vector::Zero(engine.config().n_embd);
    for (LayerSample& layer : layers_) layer.mean = layer.variance = zero;
  }

  void begin_text(int64_t first) { first_ = first; }

  void observe(const engine::LayerView& view) {
    LayerText<float> rows{copy(view.k), copy(view.v), pick(view.q, positions_),
                          pick(view.input, positions_), positions_};
    shift_rows(engine_, rope_.row(first_), rows.k);
    shift_rows(engine_, rope_.row(first_), rows.q);
    LayerSample& layer = layers_[size_t(view.layer)];
    layer.texts.push_back({first_, std::move(rows)});
    for (int64_t i = 0; i < view.normed.rows; ++i) {
      const Eigen::Map<const Column<float>> row(view.normed.row(i), view.normed.cols);
      layer.mean += row.cast<double>();
      layer.variance += row.cast<double>().cwiseAbs2();
    }
    n_rows_ += view.layer == 0 ? view.normed.rows : 0;
  }

  std::vector<LayerSample> take() {
    for (LayerSample& layer : layers_) {
      layer.mean /= double(n_rows_);
      layer.variance = layer.variance / double(n_rows_) - layer.mean.cwiseAbs2();
    }
    return std::move(layers_);
  }

 private:
  const engine::Engine& engine_;
  std::vector<int> positions_;
  engine::RopeTable rope_;
  std::vector<LayerSample> layers_;
  int64_t first_ = 0, n_rows_ = 0;
};

}  // namespace

void turn_rows(const engine::Engine& engine, const engine::RopeTable& rope, int64_t first,
               float direction, Rows<float>& rows) {
  const models::ModelConfig& c = engine.config();
  const int n_heads = int(rows.cols()) / c.head_dim;
  std::vector<float> turn(size_t(c.rope.n_rot));
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    std::copy_n(rope.row(first + i), turn.size(), turn.begin());
    for (size_t j = turn.size() / 2; j < turn.size(); ++j) turn[j] *= direction;
    engine.context().kernels->rope(rows.row(i).data(), n_heads, c.head_dim, turn.data(),
                                   c.rope.n_rot, c.rope.neighbours);
  }
}

Result<std::vector<LayerSample>> sample_texts(const engine::Engine& engine,
                                              std::span<const int32_t> tokens,
                                              const SampleOptions& o) {
  const int64_t available = int64_t(tokens.size()) / o.n_chunk;
  if (available < 2 || o.n_chunk <= o.exact.n_sinks + o.exact.window) {
    return make_error(ErrorCode::kInvalidData, "calibration text",
                      "expected at least two chunks of " + std::to_string(o.n_chunk) +
                          " tokens to learn from, found " + std::to_string(tokens.size()));
  }
  const int64_t n_texts = std::min<int64_t>(o.n_texts, available);
  const int64_t spread = std::max<int64_t>(o.n_positions - o.n_chunk, 0);
  LK_ASSIGN(const engine::CacheSpec exact, engine::parse_cache_type("f32"));
  LK_ASSIGN(engine::Session session, engine::Session::open(engine, {exact, o.n_chunk, o.n_chunk}));
  Sampler sampler(engine, o, spread);
  session.set_observer([&](const engine::LayerView& view) { sampler.observe(view); });
  for (int64_t t = 0; t < n_texts; ++t) {
    // Neighbouring texts lie far apart, so that those held back for validation differ in place.
    sampler.begin_text((t * 5 % n_texts) * spread / std::max<int64_t>(n_texts - 1, 1));
    session.truncate(0);
    const int64_t chunk = t * available / n_texts;
    LK_RETURN_IF_ERROR(session.feed(tokens.subspan(size_t(chunk * o.n_chunk), size_t(o.n_chunk))));
    if (o.progress && !o.progress(t + 1, n_texts)) {
      return make_error(ErrorCode::kCancelled, "calibration", "stopped");
    }
  }
  return sampler.take();
}

}  // namespace lowkey::calib
