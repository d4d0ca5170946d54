#include "calib/tap/sensitivity.h"

#include <string>

#include "calib/tap/probe.h"

namespace lowkey::calib {

namespace {

using Pairs = std::vector<std::array<double, 2>>;

/// Calls body(probe, layer, side) for every side, context after context, and adds what it returns
/// to that side's mean. What the checkpoint knows as `piece` is not measured again.
template <class Body>
Result<Pairs> mean_over_contexts(const engine::Engine& engine, std::span<const int32_t> tokens,
                                 const SensitivityOptions& options, const char* piece,
                                 const Body& body) {
  const size_t n_chunk = size_t(options.n_chunk);
  if (tokens.size() < n_chunk * size_t(options.n_chunks)) {
    return make_error(ErrorCode::kInvalidData, "calibration text",
                      "expected at least " + std::to_string(n_chunk * size_t(options.n_chunks)) +
                          " tokens, found " + std::to_string(tokens.size()));
  }
  const int n_sides = 2 * engine.config().n_layers, total = options.n_chunks * n_sides;
  LK_ASSIGN(WorkLog log, WorkLog::open(options.checkpoint, piece));
  for (int c = 0; c < options.n_chunks; ++c) {
    if (int(log.n_known()) >= (c + 1) * n_sides) continue;
    // Spread over the text: neighbouring contexts speak of the same things.
    const size_t spread = tokens.size() / size_t(options.n_chunks) * size_t(c);
    LK_ASSIGN(Probe probe,
              Probe::prepare(engine, tokens.subspan(spread, n_chunk),
                             {options.n_chunk, options.stride, options.n_sinks, options.window}));
    LK_ASSIGN(auto measure, body(probe));
    for (int i = int(log.n_known()) - c * n_sides; i < n_sides; ++i) {
      LK_ASSIGN(const double kld, measure(i / 2, i % 2));
      LK_RETURN_IF_ERROR(log.add({&kld, 1}));
      if (options.progress && !options.progress(int(log.n_known()), total)) {
        return make_error(ErrorCode::kCancelled, "calibration", "stopped");
      }
    }
  }
  Pairs result(size_t(n_sides / 2), {0.0, 0.0});
  for (int i = 0; i < total; ++i) {
    const int side = i % n_sides;
    result[size_t(side / 2)][size_t(side % 2)] += log.unit(size_t(i))[0] / options.n_chunks;
  }
  return result;
}

Result<double> mean_of(const Result<Divergence>& measured) {
  LK_ASSIGN(const Divergence kld, measured);
  return kld.mean;
}

using Measure = std::function<Result<double>(int layer, int side)>;

}  // namespace

Result<Pairs> measure_sensitivity(const engine::Engine& engine, std::span<const int32_t> tokens,
                                  std::shared_ptr<const models::BasisFile> file,
                                  const SensitivityOptions& options) {
  return mean_over_contexts(
      engine, tokens, options, options.piece, [&](const Probe& probe) -> Result<Measure> {
        return Measure([&](int layer, int side) {
          return mean_of(
              probe.divergence(layer, simulated_code(engine, file, {layer, side == 0, side == 1})));
        });
      });
}

Result<Pairs> measure_marginals(const engine::Engine& engine, std::span<const int32_t> tokens,
                                std::shared_ptr<const models::BasisFile> file,
                                const SensitivityOptions& options) {
  return mean_over_contexts(
      engine, tokens, options, options.piece, [&](Probe& probe) -> Result<Measure> {
        LK_RETURN_IF_ERROR(probe.code_inputs(simulated_code(engine, file)));
        LK_ASSIGN(const double all, mean_of(probe.divergence(0, simulated_code(engine, file))));
        return Measure([&probe, &engine, file, all](int layer, int side) -> Result<double> {
          const CodedPart all_but{layer, side == 0, side == 1, true};
          LK_ASSIGN(const double rest,
                    mean_of(probe.divergence(layer, simulated_code(engine, file, all_but))));
          return all - rest;
        });
      });
}

}  // namespace lowkey::calib
