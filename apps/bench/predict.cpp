#include "apps/bench/predict.h"

#include <spdlog/fmt/fmt.h>

#include <iostream>
#include <memory>

#include "apps/bench/plots.h"
#include "apps/bench/record.h"
#include "apps/bench/shapes.h"
#include "apps/bench/subjects.h"
#include "apps/common/report.h"
#include "engine/traffic/rates.h"
#include "simd/select.h"

namespace lowkey::apps {

namespace {

constexpr double kDefaultBits[] = {3.0, 2.0};

/// What is predicted: a loaded model, or a shape; on this machine, or on a given one.
struct Prophecy {
  std::unique_ptr<engine::Engine> engine;  // of a model file
  std::unique_ptr<Team> team;              // of a shape on this machine
  engine::Context context;
  models::ModelConfig config;
  engine::WeightTraffic weights;
  engine::Machine machine;
  bool measured = false;
};

DType type_of_bits(double bits) {
  return bits > 10    ? DType::kF16
         : bits > 7   ? DType::kQ8_0
         : bits > 5.5 ? DType::kQ6_K
                      : DType::kQ4_0;
}

Status set_model(const BenchOptions& o, Prophecy& p) {
  if (o.shape.empty()) {
    if (o.common.model.empty()) {
      return make_error(ErrorCode::kInvalidArgument, "--predict",
                        "expected a model (-m) or a shape (--shape llama-3-8b), found neither");
    }
    LK_ASSIGN(p.engine, load_engine(o.common));
    p.context = p.engine->context();
    p.config = p.engine->config();
    p.weights = engine::weight_traffic(p.config, p.engine->weights());
    return {};
  }
  LK_ASSIGN(p.config, model_shape(o.shape));
  p.weights = engine::weight_traffic(p.config, o.weight_bits);
  if (machine_given(o)) return {};
  LK_RETURN_IF_ERROR(keep_to_cpus(o.common));
  LK_ASSIGN(p.context.kernels, simd::select_kernel_set(o.common.isa));
  p.team = std::make_unique<Team>(o.common.n_threads > 0 ? o.common.n_threads : cpu_count());
  p.context.team = p.team.get();
  return {};
}

Status set_machine(const BenchOptions& o, Prophecy& p) {
  p.measured = !machine_given(o);
  if (!p.measured) {
    LK_ASSIGN(p.machine, given_machine(o));
    return {};
  }
  const DType type = p.engine ? weight_type(p.engine->model()) : type_of_bits(o.weight_bits);
  LK_ASSIGN(p.machine, measure_machine(p.context, p.config, type, o.common.quiet));
  return {};
}

/// A cache with its name, and the machine with the rates of this cache.
Result<PlotLane> lane_of(const Prophecy& p, const std::string& name,
                         const engine::CacheTraffic& traffic, const engine::CacheSpec& timed) {
  PlotLane lane{name, {p.config, p.weights, traffic}, p.machine};
  if (p.measured) {
    LK_RETURN_IF_ERROR(engine::measure_attend_rates(p.context, p.config, timed, lane.machine));
  }
  return lane;
}

/// Latents of a basis where there is one; else of a number of bits alone.
Result<std::vector<PlotLane>> lanes_of(const BenchOptions& o, const Prophecy& p) {
  std::vector<PlotLane> lanes;
  const bool with_basis = p.engine && !o.common.basis.empty();
  const std::vector<std::string> wanted =
      o.caches.empty() ? std::vector<std::string>{"f16", "q8_0", "q4_0", "latent"} : o.caches;
  for (const std::string& name : wanted) {
    BenchOptions one = o;
    one.caches = {name};
    if (name == "latent" && !with_basis) {
      if (one.bits.empty()) one.bits.assign(std::begin(kDefaultBits), std::end(kDefaultBits));
      for (const double bits : one.bits) {
        LK_ASSIGN(const engine::CacheTraffic traffic, engine::latent_traffic(p.config, bits));
        LK_ASSIGN(PlotLane lane, lane_of(p, latent_name(one, bits), traffic,
                                         engine::placeholder_latents(p.config, bits)));
        lanes.push_back(std::move(lane));
      }
      continue;
    }
    std::vector<NamedCache> caches;
    if (name == "latent") {
      LK_ASSIGN(caches, named_caches(one, *p.engine));
    } else {
      LK_ASSIGN(engine::CacheSpec spec, engine::parse_cache_type(name));
      caches.push_back({name, std::move(spec)});
    }
    for (const NamedCache& cache : caches) {
      LK_ASSIGN(const engine::CacheTraffic traffic, engine::cache_traffic(p.config, cache.spec));
      LK_ASSIGN(PlotLane lane, lane_of(p, cache.name, traffic, cache.spec));
      lanes.push_back(std::move(lane));
    }
  }
  return lanes;
}

Row row_of(const PlotLane& lane, const BenchTest& test) {
  const engine::StepShape step{test.n_depth, 1, test.batch};
  const engine::Ledger ledger =
      engine::step_ledger(lane.subject.config, lane.subject.weights, lane.subject.cache, step);
  const engine::Prediction p =
      engine::predict(lane.machine, ledger, step, lane.subject.config.n_layers);
  const engine::KvLayout& layout = lane.subject.cache.layout;
  const int64_t kv_bytes = test.batch * layout.total_bytes(test.n_depth + 1);
  return {{"machine", lane.machine.name},
          {"n_threads", lane.machine.n_threads},
          {"model", lane.subject.config.name},
          {"model_n_params", int64_t(engine::n_parameters(lane.subject.config))},
          {"weight_bytes", lane.subject.weights.bytes()},
          {"cache", lane.name},
          {"bits_per_element", layout.bits_per_element()},
          {"n_depth", test.n_depth},
          {"batch", test.batch},
          {"kv_bytes_per_token", layout.coded_bytes_per_token},
          {"kv_bytes_total", kv_bytes},
          {"step_bytes", ledger.bytes()},
          {"read_gb_s", lane.machine.bandwidth(ledger.bytes()) * 1e-9},
          {"weight_efficiency", lane.machine.weights.front().reach},
          {"attend_efficiency", lane.machine.attend_efficiency},
          {"attend_products", lane.machine.attend_products},
          {"weight_ms", 1e3 * p.weight_seconds},
          {"attend_ms", 1e3 * p.attend_seconds},
          {"other_ms", 1e3 * p.other_seconds},
          {"memory_ms", 1e3 * p.memory_seconds},
          {"predicted_ts", double(test.batch) / p.seconds()}};
}

std::vector<MarkdownColumn> prediction_columns() {
  const auto number = [](const char* field, int digits) {
    return [=](const Row& row) { return fmt::format("{:.{}f}", row.value(field, 0.0), digits); };
  };
  return {
      {"cache", false, [](const Row& r) { return r.value("cache", std::string()); }},
      {"bits/elem", true, number("bits_per_element", 2)},
      {"KV B/token", true, number("kv_bytes_per_token", 0)},
      {"depth", true, number("n_depth", 0)},
      {"batch", true, number("batch", 0)},
      {"KV", true, [](const Row& r) { return format_bytes(r.value("kv_bytes_total", 0.0)); }},
      {"bytes/step", true, [](const Row& r) { return format_bytes(r.value("step_bytes", 0.0)); }},
      {"memory ms", true, number("memory_ms", 2)},
      {"weights ms", true, number("weight_ms", 2)},
      {"attention ms", true, number("attend_ms", 2)},
      {"other ms", true, number("other_ms", 2)},
      {"t/s", true, number("predicted_ts", 1)}};
}

std::string machine_text(const Prophecy& p) {
  const engine::Machine& m = p.machine;
  std::string out = fmt::format("{} on {}, {} threads; weights {}\n", p.config.name, m.name,
                                m.n_threads, format_bytes(p.weights.bytes()));
  if (!p.measured) return out + '\n';
  out += "| rows | products/s of weights in caches, G | reach of weights from memory |\n";
  out += "| ---: | ---: | ---: |\n";
  for (const engine::WeightRate& rate : m.weights) {
    out += fmt::format("| {:.0f} | {:.1f} | {:.0f} % |\n", rate.rows, rate.products * 1e-9,
                       100 * rate.reach);
  }
  out += '\n';
  out += "| working set | read GB/s | triad GB/s |\n| ---: | ---: | ---: |\n";
  for (const engine::BandwidthPoint& point : m.curve) {
    out += fmt::format("| {} | {:.1f} | {:.1f} |\n", format_bytes(point.working_set),
                       point.read * 1e-9, point.triad * 1e-9);
  }
  return out + '\n';
}

}  // namespace

Status run_predict(const BenchOptions& o) {
  Prophecy p;
  LK_RETURN_IF_ERROR(set_model(o, p));
  LK_RETURN_IF_ERROR(set_machine(o, p));
  LK_ASSIGN(const std::vector<PlotLane> lanes, lanes_of(o, p));
  if (o.format == "md") std::cout << machine_text(p);
  RowWriter writer(o.format, "predictions", prediction_columns());
  for (const int64_t depth : o.n_depth) {
    for (const int64_t batch : o.batch) {
      for (const PlotLane& lane : lanes) {
        std::cout << writer.add(row_of(lane, {0, 1, depth, std::max<int64_t>(batch, 1)}));
      }
    }
  }
  std::cout << writer.finish() << std::flush;
  return o.svg.empty() ? Status() : write_bench_plots(o, {lanes, {}});
}

}  // namespace lowkey::apps
