#include "calib/tap/collect.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/tasks.h"
#include "calib/second_order.h"

namespace lowkey::calib {

namespace {

/// Sums are large, of 128 MiB for a model of eight billion: not after every chunk.
constexpr int64_t kChunksPerPiece = 4;

/// Copies of one layer's rows of a chunk: the engine reuses its memory for the next layer.
struct ChunkRows {
  std::vector<float> q, k, v, q_pre, k_pre;
};

std::vector<float> copy(MatrixView<const float> x) {
  std::vector<float> out;
  out.reserve(size_t(x.rows * x.cols));
  for (int64_t i = 0; i < x.rows; ++i) out.insert(out.end(), x.row(i), x.row(i) + x.cols);
  return out;
}

MatrixView<const float> rows_of(const std::vector<float>& x, int64_t cols) {
  return matrix<const float>(x.data(), int64_t(x.size()) / cols, cols);
}

MatrixView<const float> without_sinks(MatrixView<const float> x, int n_sinks) {
  if (!x.data) return x;
  return {x.row(n_sinks), x.rows - n_sinks, x.cols, x.stride};
}

std::vector<float> without_sinks(const std::vector<float>& weights, int64_t n, int n_sinks) {
  std::vector<float> out;
  for (size_t row = 0; row < weights.size(); row += size_t(n)) {
    out.insert(out.end(), weights.begin() + int64_t(row) + n_sinks,
               weights.begin() + int64_t(row) + n);
  }
  return out;
}

class Collector {
 public:
  Collector(const engine::Engine& engine, const CollectOptions& options)
      : engine_(engine), options_(options), rows_(size_t(engine.config().n_layers)) {
    const models::ModelConfig& c = engine.config();
    shape_ = {c.n_heads, c.n_kv_heads, c.head_dim};
    for (const engine::LayerWeights& layer : engine.weights().layers) {
      std::vector<float> w_o(size_t(layer.o.n_rows() * layer.o.n_cols()));
      for (int64_t r = 0; r < layer.o.n_rows(); ++r) {
        layer.o.row(r, w_o.data() + r * layer.o.n_cols());
      }
      const auto view = matrix<const float>(w_o.data(), layer.o.n_rows(), layer.o.n_cols());
      statistics_.push_back(make_statistics(shape_, options.plan, c.rope.n_rot, view));
    }
    phase_ = std::make_unique<engine::RopeTable>(c.rope);
    phase_->reserve(std::max<int64_t>(options.n_positions, options.n_chunk) + options.n_chunk);
  }

  engine::LayerObserver observer() {
    return [this](const engine::LayerView& view) {
      ChunkRows& rows = rows_[size_t(view.layer)];
      rows.q = copy(view.q);
      rows.k = copy(view.k);
      rows.v = copy(view.v);
      if (!options_.plan.pre_rope) return;
      rows.q_pre = copy(view.q_raw);
      rows.k_pre = copy(view.k_raw);
    };
  }

  /// Adds the chunk whose rows the observer has seen, as if it began at position `offset`. One
  /// layer belongs to one thread, chunks come in order: the sums have a fixed order.
  void add_chunk(int64_t offset) {
    for_each_task(options_.n_threads, int64_t(rows_.size()), [&](int64_t l) {
      ChunkRows& rows = rows_[size_t(l)];
      turn(rows.q, shape_.n_heads, offset);
      turn(rows.k, shape_.n_kv_heads, offset);
      add_layer(statistics_[size_t(l)], rows, offset);
    });
  }

  /// The chunks that a checkpoint already holds the sums of.
  Result<int64_t> read(const Checkpoint& checkpoint) {
    LK_ASSIGN(const std::vector<double> numbers, checkpoint.read(kPiece));
    if (numbers.empty()) return int64_t{0};
    std::span<const double> rest = std::span(numbers).subspan(1);
    for (LayerStatistics& layer : statistics_) {
      LK_ASSIGN(rest, read_sums(layer, rest));
    }
    return int64_t(numbers[0]);
  }

  Status write(const Checkpoint& checkpoint, int64_t n_chunks) const {
    std::vector<double> numbers = {double(n_chunks)};
    for (const LayerStatistics& layer : statistics_) write_sums(layer, numbers);
    return checkpoint.write(kPiece, numbers);
  }

  std::vector<LayerStatistics> take() { return std::move(statistics_); }

 private:
  /// R_offset on every head: what RoPE would have made of the rows `offset` positions later.
  void turn(std::vector<float>& rows, int n_heads, int64_t offset) const {
    const models::RopeConfig& rope = engine_.config().rope;
    const int64_t width = int64_t{n_heads} * shape_.head_dim;
    for (int64_t at = 0; at < int64_t(rows.size()) && offset > 0; at += width) {
      engine_.context().kernels->rope(rows.data() + at, n_heads, shape_.head_dim,
                                      phase_->row(offset), rope.n_rot, rope.neighbours);
    }
  }

  void add_layer(LayerStatistics& statistics, const ChunkRows& rows, int64_t offset) const {
    const int64_t n_q = int64_t{shape_.n_heads} * shape_.head_dim;
    const int64_t n_kv = int64_t{shape_.n_kv_heads} * shape_.head_dim;
    const int skip = options_.n_sinks;
    const auto q = rows_of(rows.q, n_q), k = rows_of(rows.k, n_kv), v = rows_of(rows.v, n_kv);
    TokenWeights weights;
    if (options_.plan.second_order) {
      const float scale = 1.0f / std::sqrt(float(shape_.head_dim));
      weights = second_order_weights(
          {shape_, q, k, v, statistics.output_grams, scale, skip, options_.window, kQueryStride});
      weights.query = without_sinks(weights.query, q.rows, skip);
      weights.key = without_sinks(weights.key, q.rows, skip);
      weights.value = without_sinks(weights.value, q.rows, skip);
      weights.n_tokens -= skip;
    }
    LayerRows part;
    part.q = without_sinks(q, skip);
    part.k = without_sinks(k, skip);
    part.v = without_sinks(v, skip);
    if (options_.plan.pre_rope) {
      part.q_pre = without_sinks(rows_of(rows.q_pre, n_q), skip);
      part.k_pre = without_sinks(rows_of(rows.k_pre, n_kv), skip);
    }
    const int64_t n_rot = engine_.config().rope.n_rot;
    part.phase = without_sinks(matrix<const float>(phase_->row(offset), q.rows, n_rot), skip);
    part.weights = &weights;
    add_rows(statistics, part);
  }

  static constexpr int kQueryStride = 4;
  static constexpr char kPiece[] = "statistics";

  const engine::Engine& engine_;
  const CollectOptions& options_;
  LayerShape shape_;
  std::unique_ptr<engine::RopeTable> phase_;
  std::vector<ChunkRows> rows_;  // of the chunk in work, per layer
  std::vector<LayerStatistics> statistics_;
};

}  // namespace

Result<std::vector<LayerStatistics>> collect_statistics(const engine::Engine& engine,
                                                        std::span<const int32_t> tokens,
                                                        const CollectOptions& options) {
  const size_t n_chunk = size_t(options.n_chunk);
  if (tokens.size() < n_chunk || options.n_chunk <= options.n_sinks + options.window) {
    return make_error(ErrorCode::kInvalidData, "calibration text",
                      "expected at least one chunk of " + std::to_string(n_chunk) +
                          " tokens, found " + std::to_string(tokens.size()));
  }
  LK_ASSIGN(const engine::CacheSpec exact, engine::parse_cache_type("f32"));
  LK_ASSIGN(engine::Session session,
            engine::Session::open(engine, {exact, options.n_chunk, options.n_chunk}));
  // Moments over thousands of tokens do not feel how activations are rounded.
  if (engine.context().precision == engine::Precision::kDefault) {
    session.set_precision(engine::Precision::kFast);
  }
  Collector collector(engine, options);
  session.set_observer(collector.observer());
  const int64_t n_chunks = int64_t(tokens.size() / n_chunk);
  LK_ASSIGN(const int64_t n_known, collector.read(options.checkpoint));
  for (int64_t c = n_known; c < n_chunks; ++c) {
    session.truncate(0);
    LK_RETURN_IF_ERROR(session.feed(tokens.subspan(size_t(c) * n_chunk, n_chunk)));
    const int64_t spread = std::max<int64_t>(options.n_positions - options.n_chunk, 0);
    collector.add_chunk(n_chunks > 1 ? c * spread / (n_chunks - 1) : 0);
    if ((c + 1) % kChunksPerPiece == 0 || c + 1 == n_chunks) {
      LK_RETURN_IF_ERROR(collector.write(options.checkpoint, c + 1));
    }
    if (options.progress &&
        !options.progress((c + 1) * options.n_chunk, n_chunks * options.n_chunk)) {
      return make_error(ErrorCode::kCancelled, "calibration", "stopped");
    }
  }
  return collector.take();
}

}  // namespace lowkey::calib
