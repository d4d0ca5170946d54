// `lowkey compare`: full-rank caches and latent ones side by side: size, quality, speed at depth.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/bench/measure.h"
#include "apps/calibrate/text.h"
#include "apps/commands.h"
#include "apps/common/options.h"
#include "apps/compare/table.h"
#include "apps/console/progress.h"
#include "apps/console/stop.h"
#include "base/file_map.h"
#include "base/newlines.h"
#include "engine/eval/perplexity.h"

namespace lowkey::apps {

namespace {

struct Options {
  CommonOptions common;
  std::string file, svg;
  int n_chunks = 2;
  std::vector<double> bits = {3.0, 2.0};
  std::vector<int64_t> depths = {0, 2048};
  int n_gen = 16;
  bool controls = false;
  std::string format = "text";
};

struct Candidate {
  std::string name;
  engine::CacheSpec cache;
  bool timed = true;  // simulated codes have no kernels whose speed could be measured
};

/// The Hadamard control of at least `bits` per element, if there is one so large: a scale per block
/// is half a bit, keys get the odd bit.
std::string control_name(double bits) {
  const int widths = std::clamp(int(std::ceil(2 * (bits - 0.5) - 1e-9)), 4, 8);
  return fmt::format("hadamard-k{}v{}", widths - widths / 2, widths / 2);
}

Result<std::vector<Candidate>> candidates_of(const Options& o, const engine::Engine& engine) {
  std::vector<Candidate> all;
  const auto add = [&](const std::string& type, bool exact) -> Status {
    LK_ASSIGN(engine::CacheSpec spec, engine::parse_cache_type(type));
    if (exact) {
      spec.n_sinks = o.common.n_sinks >= 0 ? o.common.n_sinks : kSinks;
      spec.n_window = o.common.n_window >= 0 ? o.common.n_window : kWindow;
    }
    all.push_back({exact ? type + " + exact" : type, spec, !spec.codec});
    return {};
  };
  LK_RETURN_IF_ERROR(add("f16", false));
  for (const char* type : {"q8_0h", "q4_0h"}) {
    LK_RETURN_IF_ERROR(add(type, false));
    LK_RETURN_IF_ERROR(add(type, true));
  }
  std::vector<std::string> controls;
  for (const double bits : o.controls ? o.bits : std::vector<double>{}) {
    if (std::ranges::find(controls, control_name(bits)) != controls.end()) continue;
    controls.push_back(control_name(bits));
    LK_RETURN_IF_ERROR(add(controls.back(), true));
  }
  for (const double bits : o.bits) {
    CommonOptions latent = o.common;
    latent.bits = bits;
    if (latent.basis.empty()) latent.basis = "auto";
    LK_ASSIGN(engine::CacheSpec spec, cache_spec(latent, engine));
    all.push_back({fmt::format("latent {:g} + exact", bits), std::move(spec)});
  }
  return all;
}

Result<std::vector<int32_t>> evaluation_tokens(const Options& o, const engine::Engine& engine,
                                               const std::string& model_path, Progress& progress) {
  LK_ASSIGN(const models::Tokenizer tokenizer, models::tokenizer_for_model(model_path));
  if (!o.file.empty()) {
    LK_ASSIGN(const std::string text, read_text_file(o.file));
    return tokenizer.encode(with_unix_newlines(text), {});
  }
  const int n_chunk = int(o.common.n_context);
  constexpr uint64_t kSeed = 1000;  // not the calibration's samples
  return own_samples(engine, tokenizer, {int64_t{o.n_chunks} * n_chunk, n_chunk, kSeed}, {},
                     [&](int64_t done, int64_t total) {
                       if (!o.common.quiet) progress.update(done, total);
                       return !stop_requested();
                     });
}

/// All candidates side by side, against one run of the full cache: a row for each. With little
/// memory one after another, each beside a full cache of its own.
Result<std::vector<CompareRow>> measure_quality(const Options& o, const engine::Engine& engine,
                                                const std::vector<int32_t>& tokens,
                                                const std::vector<Candidate>& candidates) {
  Progress progress("comparing", "chunks");
  engine::PerplexityOptions options;
  options.n_context = o.common.n_context;
  options.n_chunks = o.n_chunks;
  options.n_batch = o.common.low_memory ? 64 : 512;
  LK_ASSIGN(options.baseline, engine::parse_cache_type("f32"));
  options.stopped = stop_requested;
  options.progress = [&](int done, int total, double) {
    if (!o.common.quiet) progress.update(done, total);
    return !stop_requested();
  };
  std::vector<engine::CacheSpec> caches;
  for (const Candidate& candidate : candidates) caches.push_back(candidate.cache);
  std::vector<engine::PerplexityResult> results;
  const size_t n_together = o.common.low_memory ? 1 : caches.size();
  for (size_t at = 0; at < caches.size(); at += n_together) {
    const auto some = std::span(caches).subspan(at, n_together);
    LK_ASSIGN(auto part, engine::perplexities(engine, tokens, options, some));
    std::ranges::move(part, std::back_inserter(results));
  }
  std::vector<CompareRow> rows(candidates.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const engine::Divergence& divergence = *results[i].divergence;
    rows[i].name = candidates[i].name;
    rows[i].ppl = results[i].ppl;
    rows[i].ppl_change = results[i].ppl / divergence.baseline_ppl - 1.0;
    rows[i].kld_mean = divergence.mean;
    rows[i].same_top = divergence.same_top;
    rows[i].kv_bytes_total = results[i].kv_bytes_total;
    LK_ASSIGN(const engine::KvCache probe,
              engine::KvCache::create(engine.config(), caches[i], o.common.n_context, 1));
    rows[i].kv_bytes_per_token = probe.layout().coded_bytes_per_token;
    rows[i].bits_per_element = probe.layout().bits_per_element();
  }
  return rows;
}

Status measure_speed(const Options& o, const engine::Engine& engine,
                     const std::vector<Candidate>& candidates, std::vector<CompareRow>& rows) {
  Progress progress("timing", "runs");
  const auto n_timed = std::ranges::count_if(candidates, &Candidate::timed);
  int64_t done = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    for (const int64_t depth : candidates[i].timed ? o.depths : std::vector<int64_t>{}) {
      LK_ASSIGN(const BenchRecord record, measure(engine, candidates[i].cache, {0, o.n_gen, depth},
                                                  o.common.low_memory ? 64 : 512, 3));
      rows[i].tokens_per_second.push_back({depth, median(samples_ts(record))});
      if (!o.common.quiet) progress.update(++done, n_timed * int64_t(o.depths.size()));
    }
  }
  return {};
}

Status run(Options o) {
  if (o.common.n_context <= 0) o.common.n_context = 1024;
  LK_ASSIGN(const std::string model_path, resolve_model(o.common));
  LK_ASSIGN(const std::unique_ptr<engine::Engine> engine, load_engine(o.common));
  watch_for_stop();
  std::vector<int32_t> tokens;
  {
    Progress writing("writing a text to judge by", "tokens");
    LK_ASSIGN(tokens, evaluation_tokens(o, *engine, model_path, writing));
  }
  LK_ASSIGN(const std::vector<Candidate> candidates, candidates_of(o, *engine));
  LK_ASSIGN(std::vector<CompareRow> rows, measure_quality(o, *engine, tokens, candidates));
  LK_RETURN_IF_ERROR(measure_speed(o, *engine, candidates, rows));
  if (!o.svg.empty()) LK_RETURN_IF_ERROR(write_file_atomically(o.svg, compare_svg(rows)));
  if (o.format == "svg") {
    std::cout << compare_svg(rows);
  } else if (o.format == "json") {
    std::cout << compare_json(rows).dump(1) << '\n';
  } else {
    std::cout << compare_text(rows, o.common.n_context);
  }
  return {};
}

}  // namespace

void add_compare_command(CLI::App& program, Status& status) {
  auto o = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("compare", "Full-rank and latent caches side by side");
  CommonOptions& common = o->common;
  add_model_option(*command, common);
  add_engine_options(*command, common);
  add_exact_options(*command, common);
  add_cache_option(*command, common);
  without_effect(*command, {"--cache"});
  command->add_option("-b,--basis", common.basis,
                      "A .lkb file; default: the one in the cache folder");
  command->add_option("--bits", o->bits, "Budgets of the latent cache, a list")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  command->add_option("-f,--file", o->file, "Text to judge by; default: the model's own samples");
  command->add_option("-c,--context", common.n_context, "Tokens per chunk; 0: 1024")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--chunks", o->n_chunks, "Chunks to score")->check(CLI::PositiveNumber);
  command->add_option("-d,--depths", o->depths, "Depths of the speed test, a list")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber);
  command->add_option("-n,--n-gen", o->n_gen, "Tokens per speed test")->check(CLI::PositiveNumber);
  command->add_flag("--controls", o->controls,
                    "Also fixed codes (Hadamard, simulated) of the latent budgets' bytes");
  command->add_option("--svg", o->svg, "Also write the plot to this file");
  command->add_option("-o,--output", o->format, "Format of stdout")
      ->check(CLI::IsMember({"text", "json", "svg"}));
  command->callback([o, &status] { status = run(*o); });
}

}  // namespace lowkey::apps
