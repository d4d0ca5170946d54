#include "apps/bench/subjects.h"

#include <spdlog/fmt/fmt.h>

#include "apps/bench/shapes.h"
#include "apps/console/progress.h"
#include "base/cpu.h"
#include "engine/traffic/bandwidth.h"
#include "engine/traffic/rates.h"

namespace lowkey::apps {

namespace {

constexpr int64_t kLargestSet = int64_t{512} << 20;

Result<NamedCache> latent_cache(const BenchOptions& o, double bits, const engine::Engine& engine) {
  CommonOptions latent = o.common;
  latent.bits = bits;
  if (latent.basis.empty()) latent.basis = "auto";
  LK_ASSIGN(engine::CacheSpec spec, cache_spec(latent, engine));
  return NamedCache{latent_name(o, bits), std::move(spec)};
}

}  // namespace

std::string latent_name(const BenchOptions& o, double bits) {
  return o.bits.size() > 1 ? fmt::format("latent-{:g}", bits) : "latent";
}

Result<std::vector<NamedCache>> named_caches(const BenchOptions& o, const engine::Engine& engine) {
  std::vector<NamedCache> caches;
  for (const std::string& name : o.caches.empty() ? std::vector<std::string>{"f16"} : o.caches) {
    if (name == "latent") {
      for (double bits : o.bits.empty() ? std::vector<double>{0.0} : o.bits) {
        LK_ASSIGN(NamedCache cache, latent_cache(o, bits, engine));
        caches.push_back(std::move(cache));
      }
      continue;
    }
    CommonOptions plain = o.common;
    plain.cache = name;
    plain.basis.clear();
    plain.outliers = 0;  // latent caches alone have these
    plain.lazy_bytes = 0;
    plain.adapt = plain.adapt_moments = false;
    LK_ASSIGN(engine::CacheSpec spec, cache_spec(plain, engine));
    caches.push_back({name, std::move(spec)});
  }
  return caches;
}

Result<engine::Machine> measure_machine(const engine::Context& context,
                                        const models::ModelConfig& config, DType type, bool quiet) {
  engine::Machine machine;
  machine.name = cpu_name();
  machine.n_threads = context.team->size();
  Progress progress("measuring the machine", "working sets");
  LK_ASSIGN(machine.curve,
            engine::bandwidth_curve(*context.team, kLargestSet, [&](int done, int total) {
              if (!quiet) progress.update(done, total);
            }));
  LK_RETURN_IF_ERROR(engine::measure_weight_rates(context, config, type, machine));
  return machine;
}

bool machine_given(const BenchOptions& o) { return !o.machine.empty() || !o.dram.empty(); }

Result<engine::Machine> given_machine(const BenchOptions& o) {
  engine::MachineNumbers numbers{"given", "", 0, 8, 3e9, 64};
  if (!o.machine.empty()) {
    LK_ASSIGN(numbers, engine::find_machine(o.machine));
  }
  if (!o.dram.empty()) {
    LK_ASSIGN(numbers.dram, parse_bandwidth(o.dram));
  }
  if (o.cores > 0) numbers.n_cores = o.cores;
  if (o.clock_ghz > 0) numbers.clock = o.clock_ghz * 1e9;
  if (o.products > 0) numbers.products = o.products;
  return engine::machine_of(numbers);
}

DType weight_type(const models::Model& model) { return model.layers.front().gate.dtype; }

}  // namespace lowkey::apps
