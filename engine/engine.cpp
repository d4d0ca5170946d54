#include "engine/engine.h"

#include <string>

#include "base/cpu.h"
#include "simd/select.h"

namespace lowkey::engine {

namespace {

Topology system_topology() { return read_topology("/sys/devices/system/node", allowed_cpus()); }

Status check(const EngineOptions& options) {
  if (options.n_threads < 0 || options.n_threads > 1024) {
    return make_error(ErrorCode::kInvalidArgument, "-t",
                      "expected 1 to 1024 threads, found " + std::to_string(options.n_threads));
  }
  return {};
}

bool bf16_prefill(EngineOptions::Prefill prefill, const simd::KernelSet& kernels) {
  if (prefill == EngineOptions::Prefill::kAuto) return kernels.fast_bf16;
  return prefill == EngineOptions::Prefill::kBf16;
}

}  // namespace

Engine::Engine(models::Model model, DecoderWeights weights)
    : model_(std::move(model)), weights_(std::move(weights)), decoder_(model_.config, weights_) {}

Result<std::unique_ptr<Engine>> Engine::load(const std::string& path,
                                             const EngineOptions& options) {
  LK_RETURN_IF_ERROR(check(options));
  LK_ASSIGN(const simd::KernelSet* kernels, simd::select_kernel_set(options.isa));
  const int n_threads = options.n_threads > 0 ? options.n_threads : cpu_count();
  LK_ASSIGN(models::Model model, models::load_model(path));
  const Topology topology = options.topology.nodes.empty() ? system_topology() : options.topology;
  auto team = std::make_unique<Team>(plan_threads(topology, n_threads, options.pinning));
  LK_ASSIGN(DecoderWeights weights, pack_decoder(model, *team, options.progress));
  std::unique_ptr<Engine> engine(new Engine(std::move(model), std::move(weights)));
  engine->team_ = std::move(team);
  engine->context_ = {kernels, engine->team_.get(), options.precision,
                      bf16_prefill(options.prefill, *kernels)};
  if (options.screen) {
    LK_ASSIGN(engine->weights_.screen, Screen::make(engine->context_, engine->weights_.head()));
  }
  return engine;
}

Context Engine::context(Precision precision) const {
  Context context = context_;
  context.precision = precision;
  return context;
}

}  // namespace lowkey::engine
