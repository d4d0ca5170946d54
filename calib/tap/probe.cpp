#include "calib/tap/probe.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/eval/compare_rows.h"

namespace lowkey::calib {

namespace {

// Positions whose logits are in memory at once: few enough to stay near, and never to be fresh
// pages again.
constexpr int64_t kLogitRows = 32;
constexpr double kLeastNats = 1e-7;  // what rounding of the logits leaves

}  // namespace

Probe::Probe(const engine::Engine& engine, const ProbeOptions& options)
    : engine_(&engine), options_(options), inputs_(size_t(engine.config().n_layers)) {
  for (int p = options.n_chunk / 4; p < options.n_chunk; p += options.stride)
    positions_.push_back(p);
}

Result<Probe> Probe::prepare(const engine::Engine& engine, std::span<const int32_t> tokens,
                             const ProbeOptions& options) {
  Probe probe(engine, options);
  LK_RETURN_IF_ERROR(probe.run(tokens));
  return probe;
}

engine::LayerObserver Probe::input_keeper() {
  return [this](const engine::LayerView& view) {
    inputs_[size_t(view.layer)].assign(view.input.data,
                                       view.input.data + view.input.rows * view.input.cols);
  };
}

Status Probe::run(std::span<const int32_t> tokens) {
  LK_ASSIGN(engine::Session session, open({}));
  session.set_observer(input_keeper());
  std::vector<float> hidden;
  LK_RETURN_IF_ERROR(session.feed(tokens, [&](int64_t, MatrixView<const float> rows) {
    hidden.assign(rows.data, rows.data + rows.rows * rows.cols);
    return Status();
  }));
  const Range all{0, int64_t(positions_.size())};
  base_.resize(size_t(all.end * n_vocab()));
  logits(session, hidden.data(), all, base_.data());
  logsumexp_.resize(positions_.size());
  probabilities_ = base_;
  engine_->context().team->parallel_for(int64_t(positions_.size()), 1, [&](Range rows, int) {
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      logsumexp_[size_t(i)] = double(
          engine_->context().kernels->softmax(probabilities_.data() + i * n_vocab(), n_vocab()));
    }
  });
  return {};
}

Result<Divergence> Probe::divergence(int layer, engine::RowCodec codec) const {
  LK_ASSIGN(engine::Session session, open(std::move(codec)));
  const int64_t n_embd = engine_->config().n_embd;
  LK_ASSIGN(const MatrixView<const float> rows,
            session.resume(layer, matrix<const float>(inputs_[size_t(layer)].data(),
                                                      options_.n_chunk, n_embd)));
  const std::vector<float> hidden(rows.data, rows.data + rows.rows * rows.cols);
  std::vector<double> kld(positions_.size());
  const int64_t n = int64_t(kld.size());
  std::vector<float> coded(size_t(std::min(kLogitRows, n) * n_vocab()));
  for (int64_t first = 0; first < n; first += kLogitRows) {
    const Range part{first, std::min(first + kLogitRows, n)};
    logits(session, hidden.data(), part, coded.data());
    engine_->context().team->parallel_for(part.size(), 1, [&](Range of_part, int) {
      for (int64_t i = of_part.begin; i < of_part.end; ++i) {
        kld[size_t(first + i)] = row_divergence(first + i, coded.data() + i * n_vocab());
      }
    });
  }
  Divergence result;
  for (const double x : kld) {
    result.mean += std::min(x, kMostNats) / double(n);
    result.log_mean += std::log(std::max(x, kLeastNats)) / double(n);
  }
  return result;
}

Status Probe::code_inputs(engine::RowCodec codec) {
  LK_ASSIGN(engine::Session session, open(std::move(codec)));
  const std::vector<float> embedded = inputs_[0];
  session.set_observer(input_keeper());
  LK_ASSIGN([[maybe_unused]] const auto rows,
            session.resume(0, matrix<const float>(embedded.data(), options_.n_chunk,
                                                  engine_->config().n_embd)));
  return {};
}

Result<engine::Session> Probe::open(engine::RowCodec codec) const {
  LK_ASSIGN(engine::CacheSpec spec, engine::parse_cache_type("f32"));
  spec.codec = std::move(codec);
  spec.n_sinks = spec.codec ? options_.n_sinks : 0;
  spec.n_window = spec.codec ? options_.window : 0;
  return engine::Session::open(*engine_, {spec, options_.n_chunk, options_.n_chunk});
}

void Probe::logits(engine::Session& session, const float* hidden, Range rows, float* out) const {
  const int64_t n_embd = engine_->config().n_embd;
  std::vector<float> picked;
  for (int64_t i = rows.begin; i < rows.end; ++i) {
    const float* row = hidden + int64_t{positions_[size_t(i)]} * n_embd;
    picked.insert(picked.end(), row, row + n_embd);
  }
  session.logits(matrix<const float>(picked.data(), rows.size(), n_embd), out);
}

double Probe::row_divergence(int64_t i, const float* coded) const {
  const size_t n = size_t(n_vocab()), at = size_t(i) * n;
  thread_local std::vector<float> scratch;
  scratch.assign(coded, coded + n);
  const double logsumexp = double(engine_->context().kernels->softmax(scratch.data(), int64_t(n)));
  return engine::kl_divergence({{probabilities_.data() + at, n},
                                {base_.data() + at, n},
                                {coded, n},
                                logsumexp_[size_t(i)],
                                logsumexp});
}

Result<std::vector<Divergence>> measure_divergences(
    const engine::Engine& engine, std::span<const int32_t> tokens,
    std::span<const std::shared_ptr<const models::BasisFile>> files, const ProbeOptions& options,
    const std::function<bool(int64_t done, int64_t total)>& progress, WorkLog log) {
  const size_t n_chunk = size_t(options.n_chunk), n_chunks = tokens.size() / n_chunk;
  if (n_chunks == 0) {
    return make_error(ErrorCode::kInvalidData, "text held back",
                      "expected at least " + std::to_string(n_chunk) + " tokens, found " +
                          std::to_string(tokens.size()));
  }
  const size_t n_files = files.size(), total = n_chunks * n_files;
  for (size_t c = log.n_known() / n_files; c < n_chunks; ++c) {
    LK_ASSIGN(const Probe probe,
              Probe::prepare(engine, tokens.subspan(c * n_chunk, n_chunk), options));
    for (size_t f = log.n_known() - c * n_files; f < n_files; ++f) {
      LK_ASSIGN(const Divergence kld, probe.divergence(0, simulated_code(engine, files[f])));
      const double numbers[kDivergenceNumbers] = {kld.mean, kld.log_mean};
      LK_RETURN_IF_ERROR(log.add(numbers));
      if (progress && !progress(int64_t(log.n_known()), int64_t(total))) {
        return make_error(ErrorCode::kCancelled, "calibration", "stopped");
      }
    }
  }
  std::vector<Divergence> result(n_files);
  for (size_t i = 0; i < total; ++i) {
    result[i % n_files].mean += log.unit(i)[0] / double(n_chunks);
    result[i % n_files].log_mean += log.unit(i)[1] / double(n_chunks);
  }
  return result;
}

}  // namespace lowkey::calib
