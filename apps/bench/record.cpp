#include "apps/bench/record.h"

#include <spdlog/fmt/fmt.h>
#include <sys/resource.h>

#include <ctime>

#include "apps/bench/subjects.h"
#include "apps/common/report.h"

#ifndef LOWKEY_COMMIT
#define LOWKEY_COMMIT "unknown"
#define LOWKEY_BUILD_NUMBER 0
#endif

namespace lowkey::apps {

namespace {

int64_t peak_rss() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

std::string now_utc() {
  char text[32];
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string model_type(const engine::Engine& engine) {
  const double n = engine::n_parameters(engine.config());
  return fmt::format("{} {} {}", engine.config().family,
                     n < 1e9 ? fmt::format("{:.0f}M", n / 1e6) : fmt::format("{:.1f}B", n / 1e9),
                     dtype_info(weight_type(engine.model())).name);
}

void add_what_ran(Row& row, const engine::Engine& engine, const BenchRecord& r) {
  row["build_commit"] = LOWKEY_COMMIT;
  row["build_number"] = LOWKEY_BUILD_NUMBER;
  row["cpu_info"] = cpu_name();
  row["gpu_info"] = "";
  row["backends"] = std::string("CPU-") + engine.context().kernels->name;
  row["model_filename"] = engine.model().path;
  row["model_type"] = model_type(engine);
  row["model_size"] = engine.weights().bytes();
  row["model_n_params"] = int64_t(engine::n_parameters(engine.config()));
  row["n_batch"] = r.n_batch;
  row["n_ubatch"] = r.n_batch;
  row["n_threads"] = engine.n_threads();
  row["type_k"] = r.cache;
  row["type_v"] = r.cache;
  row["n_prompt"] = r.test.n_prompt;
  row["n_gen"] = r.test.n_gen;
  row["n_depth"] = r.test.n_depth;
}

std::string text_of(const Row& row, const char* field, int digits) {
  const auto found = row.find(field);
  if (found == row.end() || !found->is_number()) return "";
  return fmt::format("{:.{}f}", found->get<double>(), digits);
}

}  // namespace

void add_samples(Row& row, const std::vector<double>& ns, const std::vector<double>& ts) {
  row["avg_ns"] = mean(ns);
  row["stddev_ns"] = standard_deviation(ns);
  row["avg_ts"] = mean(ts);
  row["stddev_ts"] = standard_deviation(ts);
  row["samples_ns"] = ns;
  row["samples_ts"] = ts;
}

Row record_fields(const Finished& f, const engine::Engine& engine) {
  const BenchRecord& r = f.record;
  std::vector<double> ns;
  for (double s : r.seconds) ns.push_back(s * 1e9);
  const std::vector<double> ts = samples_ts(r);
  Row row;
  add_what_ran(row, engine, r);
  row["test_time"] = now_utc();
  add_samples(row, ns, ts);
  row["backend"] = "lowkey";
  row["cache"] = r.cache;
  row["batch"] = r.test.batch;
  row["top_k"] = r.test.top_k;
  row["median_ts"] = median(ts);
  row["kv_bytes_per_token"] = r.kv_bytes_per_token;
  row["kv_bytes_total"] = r.kv_bytes_total;
  row["bits_per_element"] = r.bits_per_element;
  const double seconds = median(r.seconds);
  const auto known = [&](double value) { return f.has_forecast ? Row(value) : Row(nullptr); };
  row["dram_gb_s"] = known(f.forecast.bytes / seconds * 1e-9);
  row["predicted_ts"] = known(double(r.test.n_tokens()) / f.forecast.seconds);
  row["roofline_share"] = known(f.forecast.memory_seconds / seconds);
  row["step_bytes"] = known(f.forecast.step_bytes);
  row["peak_rss"] = peak_rss();
  row["peer_ratios"] = f.peer_ratios;
  return row;
}

std::string test_name(int64_t n_prompt, int64_t n_gen, int64_t n_depth, int64_t batch) {
  std::string name;
  if (n_prompt > 0) name += fmt::format("pp{}", n_prompt);
  if (n_prompt > 0 && n_gen > 0) name += '+';
  if (n_gen > 0) name += fmt::format("tg{}", n_gen);
  if (n_depth > 0) name += fmt::format(" @ d{}", n_depth);
  return batch > 1 ? name + fmt::format(" x{}", batch) : name;
}

std::vector<MarkdownColumn> record_columns() {
  const auto text = [](const char* field) {
    return [field](const Row& row) { return row.value(field, std::string()); };
  };
  return {
      {"model", false, text("model_type")},
      {"size", true, [](const Row& r) { return format_bytes(r.value("model_size", 0.0)); }},
      {"params", true,
       [](const Row& r) { return fmt::format("{:.2f} M", r.value("model_n_params", 0.0) * 1e-6); }},
      {"backend", false, text("backend")},
      {"threads", true, [](const Row& r) { return std::to_string(r.value("n_threads", 0)); }},
      {"cache", false, text("cache")},
      {"test", true,
       [](const Row& r) {
         return test_name(r.value("n_prompt", 0), r.value("n_gen", 0), r.value("n_depth", 0),
                          r.value("batch", 1));
       }},
      {"KV B/token", true, [](const Row& r) { return text_of(r, "kv_bytes_per_token", 0); }},
      {"t/s", true,
       [](const Row& r) { return text_of(r, "avg_ts", 2) + " ± " + text_of(r, "stddev_ts", 2); }},
      {"predicted", true, [](const Row& r) { return text_of(r, "predicted_ts", 1); }},
      {"GB/s", true, [](const Row& r) { return text_of(r, "dram_gb_s", 1); }},
      {"of roof", true,
       [](const Row& r) {
         const auto share = r.find("roofline_share");
         if (share == r.end() || !share->is_number()) return std::string();
         return fmt::format("{:.0f} %", 100 * share->get<double>());
       }},
      {"ratio to peer", true,
       [](const Row& r) {
         std::string all;
         const auto ratios = r.find("peer_ratios");
         if (ratios == r.end()) return all;
         for (const auto& [cache, ratio] : ratios->items()) {
           all += fmt::format("{}{}: {:.2f}", all.empty() ? "" : ", ", cache, ratio.get<double>());
         }
         return all;
       }},
  };
}

}  // namespace lowkey::apps
