#include "calib/tap/sensitivity.h"

#include <string>

#include "calib/simulate.h"
#include "engine/eval/compare_rows.h"

namespace lowkey::calib {

namespace {

/// One context: the residual stream before every layer, and the exact outcome at some positions.
class Probe {
 public:
  Probe(const engine::Engine& engine, const SensitivityOptions& options)
      : engine_(engine), options_(options), inputs_(size_t(engine.config().n_layers)) {
    for (int p = options.n_chunk / 4; p < options.n_chunk; p += options.stride)
      positions_.push_back(p);
  }

  Status prepare(std::span<const int32_t> tokens) {
    LK_ASSIGN(engine::Session session, open({}));
    session.set_observer([this](const engine::LayerView& view) {
      inputs_[size_t(view.layer)].assign(view.input.data,
                                         view.input.data + view.input.rows * view.input.cols);
    });
    std::vector<float> hidden;
    LK_RETURN_IF_ERROR(session.feed(tokens, [&](int64_t, MatrixView<const float> rows) {
      hidden.assign(rows.data, rows.data + rows.rows * rows.cols);
      return Status();
    }));
    base_ = logits(session, hidden.data());
    logsumexp_.resize(positions_.size());
    probabilities_ = base_;
    engine_.context().team->parallel_for(int64_t(positions_.size()), 1, [&](Range rows, int) {
      for (int64_t i = rows.begin; i < rows.end; ++i) {
        logsumexp_[size_t(i)] = double(
            engine_.context().kernels->softmax(probabilities_.data() + i * n_vocab(), n_vocab()));
      }
    });
    return {};
  }

  /// Mean KL divergence with `codec` in the cache, which leaves the layers below `layer` alone.
  Result<double> divergence(int layer, engine::RowCodec codec) const {
    LK_ASSIGN(engine::Session session, open(std::move(codec)));
    const int64_t n_embd = engine_.config().n_embd;
    LK_ASSIGN(const MatrixView<const float> rows,
              session.resume(layer, matrix<const float>(inputs_[size_t(layer)].data(),
                                                        options_.n_chunk, n_embd)));
    const std::vector<float> hidden(rows.data, rows.data + rows.rows * rows.cols);
    std::vector<float> coded = logits(session, hidden.data());
    std::vector<double> kld(positions_.size());
    engine_.context().team->parallel_for(int64_t(kld.size()), 1, [&](Range part, int) {
      for (int64_t i = part.begin; i < part.end; ++i) kld[size_t(i)] = row_divergence(i, coded);
    });
    double sum = 0;
    for (double x : kld) sum += x;
    return sum / double(kld.size());
  }

 private:
  int64_t n_vocab() const { return engine_.config().n_vocab; }

  Result<engine::Session> open(engine::RowCodec codec) const {
    LK_ASSIGN(engine::CacheSpec spec, engine::parse_cache_type("f32"));
    spec.codec = std::move(codec);
    spec.n_sinks = spec.codec ? options_.n_sinks : 0;
    spec.n_window = spec.codec ? options_.window : 0;
    return engine::Session::open(engine_, {spec, options_.n_chunk, options_.n_chunk});
  }

  std::vector<float> logits(engine::Session& session, const float* hidden) const {
    const int64_t n_embd = engine_.config().n_embd, n = int64_t(positions_.size());
    std::vector<float> picked;
    for (int p : positions_) {
      picked.insert(picked.end(), hidden + p * n_embd, hidden + (p + 1) * n_embd);
    }
    std::vector<float> out(size_t(n * n_vocab()));
    session.logits(matrix<const float>(picked.data(), n, n_embd), out.data());
    return out;
  }

  double row_divergence(int64_t i, const std::vector<float>& coded) const {
    const size_t n = size_t(n_vocab()), at = size_t(i) * n;
    thread_local std::vector<float> scratch;
    scratch.assign(coded.begin() + int64_t(at), coded.begin() + int64_t(at + n));
    const double logsumexp = double(engine_.context().kernels->softmax(scratch.data(), int64_t(n)));
    return engine::kl_divergence({{probabilities_.data() + at, n},
                                  {base_.data() + at, n},
                                  {coded.data() + at, n},
                                  logsumexp_[size_t(i)],
                                  logsumexp});
  }

  const engine::Engine& engine_;
  const SensitivityOptions& options_;
  std::vector<int> positions_;
  std::vector<std::vector<float>> inputs_;   // [layer][n_chunk * n_embd]
  std::vector<float> base_, probabilities_;  // [positions, n_vocab]
  std::vector<double> logsumexp_;
};

}  // namespace

Result<std::vector<std::array<double, 2>>> measure_sensitivity(
    const engine::Engine& engine, std::span<const int32_t> tokens,
    std::shared_ptr<const models::BasisFile> file, const SensitivityOptions& options) {
  const size_t n_chunk = size_t(options.n_chunk);
  if (tokens.size() < n_chunk * size_t(options.n_chunks)) {
    return make_error(ErrorCode::kInvalidData, "calibration text",
                      "expected at least " + std::to_string(n_chunk * size_t(options.n_chunks)) +
                          " tokens, found " + std::to_string(tokens.size()));
  }
  const int n_layers = engine.config().n_layers, total = options.n_chunks * n_layers * 2;
  std::vector<std::array<double, 2>> result(size_t(n_layers), {0.0, 0.0});
  int done = 0;
  for (int c = 0; c < options.n_chunks; ++c) {
    // Spread over the text: neighbouring contexts speak of the same things.
    const size_t spread = tokens.size() / size_t(options.n_chunks) * size_t(c);
    Probe probe(engine, options);
    LK_RETURN_IF_ERROR(probe.prepare(tokens.subspan(spread, n_chunk)));
    for (int i = 0; i < 2 * n_layers; ++i) {
      const int l = i / 2, side = i % 2;
      LK_ASSIGN(const double kld,
                probe.divergence(l, simulated_code(engine, file, {l, side == 0, side == 1})));
      result[size_t(l)][size_t(side)] += kld / options.n_chunks;
      if (options.progress && !options.progress(++done, total)) {
        return make_error(ErrorCode::kCancelled, "calibration", "stopped");
      }
    }
  }
  return result;
}

}  // namespace lowkey::calib
