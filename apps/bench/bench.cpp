// `lowkey bench`: speed with llama-bench's options, columns and field names.
#include <spdlog/fmt/fmt.h>
#include <sys/resource.h>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/bench/measure.h"
#include "apps/commands.h"
#include "apps/common/options.h"
#include "apps/common/report.h"
#include "apps/console/progress.h"

namespace lowkey::apps {

namespace {

struct Options {
  CommonOptions common;
  std::vector<int64_t> n_prompt = {512}, n_gen = {128}, n_depth = {0};
  std::vector<std::string> caches = {"f16"};
  int repetitions = 5;
  std::string format = "text";  // which llama-bench calls md
};

std::vector<BenchTest> tests_of(const Options& o) {
  std::vector<BenchTest> tests;
  for (int64_t depth : o.n_depth) {
    for (int64_t n : o.n_prompt) {
      if (n > 0) tests.push_back({n, 0, depth});
    }
    for (int64_t n : o.n_gen) {
      if (n > 0) tests.push_back({0, n, depth});
    }
  }
  return tests;
}

int64_t peak_rss() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

nlohmann::json fields(const BenchRecord& r, const engine::Engine& engine) {
  std::vector<double> ns;
  for (double s : r.seconds) ns.push_back(s * 1e9);
  const std::vector<double> ts = samples_ts(r);
  const double read = double(r.weight_bytes) + double(r.kv_bytes_total);
  return {{"backend", "lowkey"},
          {"cpu_info", cpu_name()},
          {"model_filename", engine.model().path},
          {"model_size", r.weight_bytes},
          {"n_threads", engine.n_threads()},
          {"isa", engine.context().kernels->name},
          {"cache", r.cache},
          {"type_k", r.cache},
          {"type_v", r.cache},
          {"n_prompt", r.test.n_prompt},
          {"n_gen", r.test.n_gen},
          {"n_depth", r.test.n_depth},
          {"avg_ns", mean(ns)},
          {"stddev_ns", standard_deviation(ns)},
          {"avg_ts", mean(ts)},
          {"stddev_ts", standard_deviation(ts)},
          {"samples_ns", ns},
          {"samples_ts", ts},
          {"kv_bytes_per_token", r.kv_bytes_per_token},
          {"kv_bytes_total", r.kv_bytes_total},
          {"bits_per_element", r.bits_per_element},
          // A decode step reads all weights and the whole cache once.
          {"dram_gb_s", r.test.n_gen > 0 ? read * mean(ts) * 1e-9 : 0.0},
          {"peak_rss", peak_rss()}};
}

void print_row(const BenchRecord& r, const engine::Engine& engine) {
  const std::vector<double> ts = samples_ts(r);
  std::string test = r.test.n_prompt > 0 ? fmt::format("pp{}", r.test.n_prompt)
                                         : fmt::format("tg{}", r.test.n_gen);
  if (r.test.n_depth > 0) test += fmt::format(" @ d{}", r.test.n_depth);
  fmt::print("| {} | {} | {} | {} | {} | {:.0f} | {:.2f} ± {:.2f} |\n", engine.config().name,
             format_bytes(double(r.weight_bytes)), engine.n_threads(), r.cache, test,
             r.kv_bytes_per_token, mean(ts), standard_deviation(ts));
  std::cout << std::flush;
}

void print_header() {
  fmt::print("| model | size | threads | cache | test | KV bytes/token | t/s |\n");
  fmt::print("| --- | ---: | ---: | --- | ---: | ---: | ---: |\n");
}

/// -c means the same as elsewhere: what the cache has room for.
Status check_context(const std::vector<BenchTest>& tests, int64_t n_context) {
  for (const BenchTest& test : tests) {
    const int64_t needed = test.n_depth + test.n_prompt + test.n_gen;
    if (n_context == 0 || needed <= n_context) continue;
    return make_error(ErrorCode::kInvalidArgument, "-c",
                      "expected room for " + std::to_string(needed) + " tokens, found " +
                          std::to_string(n_context));
  }
  return {};
}

Status run(const Options& o) {
  const std::vector<BenchTest> tests = tests_of(o);
  LK_RETURN_IF_ERROR(check_context(tests, o.common.n_context));
  LK_ASSIGN(const std::unique_ptr<engine::Engine> engine, load_engine(o.common));
  nlohmann::json all = nlohmann::json::array();
  const bool text = o.format == "text" || o.format == "md";
  if (text) print_header();
  Progress progress("bench", "runs");
  const int64_t n_runs = int64_t(tests.size() * o.caches.size()) * (o.repetitions + 1);
  int64_t n_done = 0;
  for (const std::string& name : o.caches) {
    CommonOptions with_cache = o.common;
    if (name == "latent") {
      if (with_cache.basis.empty()) with_cache.basis = "auto";
    } else {
      with_cache.cache = name;
      with_cache.basis.clear();
      with_cache.bits = 0;
    }
    LK_ASSIGN(const engine::CacheSpec cache, cache_spec(with_cache, *engine));
    for (const BenchTest& test : tests) {
      LK_ASSIGN(const BenchRecord record, measure(*engine, cache, test, o.repetitions, [&](int) {
                  if (!o.common.quiet) progress.update(++n_done, n_runs);
                }));
      if (text) print_row(record, *engine);
      if (o.format == "jsonl") std::cout << fields(record, *engine).dump() << std::endl;
      all.push_back(fields(record, *engine));
    }
  }
  if (o.format == "json") std::cout << all.dump(2) << '\n';
  return {};
}

}  // namespace

void add_bench_command(CLI::App& program, Status& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("bench", "Measure prefill and decode speed");
  CommonOptions& common = options->common;
  command->add_option("-m,--model", common.model, "Model")->required()->envname("LOWKEY_MODEL");
  command->add_option("-t,--threads", common.n_threads, "Threads; 0: all CPUs");
  command->add_option("--isa", common.isa, "Kernel set by name");
  command->add_flag("--exact", common.exact, "Float activations");
  command->add_flag("--fast", common.fast, "8-bit activations");
  command->add_option("--prefill", common.prefill, "Matrix products of prefill")
      ->check(CLI::IsMember({"auto", "integer", "bf16"}));
  command->add_flag("-q,--quiet", common.quiet, "No progress");
  command->add_option("-c,--context", common.n_context, "Most tokens a test may take; 0: any")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--sinks", common.n_sinks, "First tokens kept exact");
  command->add_option("--window", common.n_window, "Recent tokens kept exact");
  add_basis_options(*command, common);
  command->add_option("--cache", options->caches, "KV caches, a list; 'latent' is the one of -b")
      ->delimiter(',');
  command->add_option("-p,--n-prompt", options->n_prompt, "Prompt lengths")->delimiter(',');
  command->add_option("-n,--n-gen", options->n_gen, "Generation lengths")->delimiter(',');
  command->add_option("-d,--n-depth", options->n_depth, "Depths")->delimiter(',');
  command->add_option("-r,--repetitions", options->repetitions, "Runs per test")
      ->check(CLI::Range(1, 10000));
  command->add_option("-o,--output", options->format, "Format of stdout")
      ->check(CLI::IsMember({"text", "md", "json", "jsonl"}));
  command->callback([options, &status] { status = run(*options); });
}

}  // namespace lowkey::apps
