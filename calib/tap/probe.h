// How far the model's output moves on one context when its cache is coded.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "calib/checkpoint.h"
#include "calib/simulate.h"
#include "engine/engine.h"

namespace lowkey::calib {

struct ProbeOptions {
  int n_chunk = 512;  // tokens of the context
  int stride = 1;     // every so many-th position of its last three quarters is looked at
  int n_sinks = 4;
  int window = 32;
};

/// KL divergence over the positions that are looked at.
struct Divergence {
  double mean = 0;  // nats; a position where the model tips over counts with kMostNats
  /// Mean of the logarithms. Compares two codes better than their means do, which a few positions
  /// decide.
  double log_mean = 0;
};
constexpr double kMostNats = 1.0;

/// The residual stream before every layer, and the exact outcome at some positions.
class Probe {
 public:
  /// The engine must outlive the probe; `tokens` holds n_chunk of them.
  static Result<Probe> prepare(const engine::Engine& engine, std::span<const int32_t> tokens,
                               const ProbeOptions& options);

  /// From the exact cache with `codec` in it, which must leave the layers below `layer` alone.
  Result<Divergence> divergence(int layer, engine::RowCodec codec) const;

  /// From now on divergence() finds the layers below coded by `codec`.
  Status code_inputs(engine::RowCodec codec);

 private:
  Probe(const engine::Engine& engine, const ProbeOptions& options);
  int64_t n_vocab() const { return engine_->config().n_vocab; }
  Status run(std::span<const int32_t> tokens);
  engine::LayerObserver input_keeper();
  Result<engine::Session> open(engine::RowCodec codec) const;
  /// Of the positions `rows`, [rows.size(), n_vocab].
  void logits(engine::Session& session, const float* hidden, Range rows, float* out) const;
  double row_divergence(int64_t i, const float* coded) const;

  const engine::Engine* engine_;
  ProbeOptions options_;
  std::vector<int> positions_;
  std::vector<std::vector<float>> inputs_;   // [layer][n_chunk * n_embd]
  std::vector<float> base_, probabilities_;  // [positions, n_vocab]
  std::vector<double> logsumexp_;
};

constexpr size_t kDivergenceNumbers = 2;

/// Divergence of each of `files` over all of `tokens`, cut into contexts of n_chunk.
/// progress: files done, counted over all contexts; false stops. Divergences that `log` knows are
/// not measured again; its units are kDivergenceNumbers wide.
Result<std::vector<Divergence>> measure_divergences(
    const engine::Engine& engine, std::span<const int32_t> tokens,
    std::span<const std::shared_ptr<const models::BasisFile>> files, const ProbeOptions& options,
    const std::function<bool(int64_t done, int64_t total)>& progress = {},
    WorkLog log = WorkLog(kDivergenceNumbers));

}  // namespace lowkey::calib
