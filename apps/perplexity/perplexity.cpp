// `lowkey perplexity`: by llama-perplexity's convention; --kld compares with the full-precision
// cache.
#include "engine/eval/perplexity.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/commands.h"
#include "apps/common/options.h"
#include "apps/common/report.h"
#include "apps/console/progress.h"
#include "apps/console/stop.h"
#include "apps/perplexity/base_file.h"
#include "apps/perplexity/multiple_choice.h"
#include "models/tokenizer/tokenizer.h"

namespace lowkey::apps {

namespace {

struct Options {
  CommonOptions common;
  std::string file;
  int n_chunks = 0;
  bool kld = false;
  bool kld_exact = false;
  bool per_token = false;
  std::string save_base;
  MultipleChoiceOptions choices;
};

Result<engine::PerplexityOptions> evaluation_options(const Options& o, const engine::Engine& engine,
                                                     const models::Tokenizer& tokenizer) {
  engine::PerplexityOptions options;
  LK_ASSIGN(options.cache, cache_spec(o.common, engine));
  options.n_context = o.common.n_context > 0 ? o.common.n_context : 512;
  options.n_chunks = o.n_chunks;
  options.n_batch = o.common.low_memory ? 64 : 512;
  if (tokenizer.adds_bos()) options.bos = tokenizer.bos();
  if (o.kld || o.kld_exact) {
    LK_ASSIGN(options.baseline, engine::parse_cache_type("f32"));
    options.baseline_precision = o.kld_exact || o.common.exact ? engine::Precision::kExact
                                 : o.common.fast               ? engine::Precision::kFast
                                                               : engine::Precision::kDefault;
  }
  return options;
}

double bits_per_element(const engine::PerplexityResult& r, const engine::KvLayout& layout) {
  return 8.0 * r.kv_bytes_per_token / double(layout.n_elements);
}

nlohmann::json fields(const Options& o, const engine::PerplexityOptions& options,
                      const engine::PerplexityResult& r, const engine::KvLayout& layout) {
  nlohmann::json json = {{"ppl", r.ppl},
                         {"ppl_stderr", r.ppl_stderr},
                         {"n_chunks", r.n_chunks},
                         {"n_ctx", options.n_context},
                         {"n_scored", r.n_scored},
                         {"cache", engine::cache_name(options.cache)},
                         {"kv_bytes_per_token", r.kv_bytes_per_token},
                         {"bits_per_element", bits_per_element(r, layout)},
                         {"outliers", r.n_outliers},
                         {"exact_tokens", r.exact_tokens},
                         {"kv_bytes_total", r.kv_bytes_total},
                         {"seconds", r.seconds}};
  if (r.divergence) {
    const engine::Divergence& d = *r.divergence;
    json.update({{"ppl_base", d.baseline_ppl},
                 {"kld_mean", d.mean},
                 {"kld_mean_stderr", d.mean_stderr},
                 {"kld_median", d.median},
                 {"kld_p99", d.p99},
                 {"kld_p999", d.p999},
                 {"rms_delta_p", d.rms_delta_p},
                 {"same_top", d.same_top}});
  }
  if (o.per_token) json["nll"] = r.nll;
  return json;
}

void print_text(const engine::PerplexityResult& r, const engine::KvLayout& layout) {
  fmt::print("Final estimate: PPL = {:.4f} +/- {:.5f}\n", r.ppl, r.ppl_stderr);
  fmt::print("KV cache: {:.0f} bytes/token, {:.3f} bits/element, {} tokens exact\n",
             r.kv_bytes_per_token, bits_per_element(r, layout), r.exact_tokens);
  if (!r.divergence) return;
  const engine::Divergence& d = *r.divergence;
  fmt::print("Against the f32 cache (PPL {:.4f}):\n", d.baseline_ppl);
  fmt::print("  PPL ratio   {:.6f}\n", r.ppl / d.baseline_ppl);
  fmt::print("  mean KLD    {:.6f} +/- {:.6f}\n", d.mean, d.mean_stderr);
  fmt::print("  median KLD  {:.6f}\n", d.median);
  fmt::print("  99.0% KLD   {:.6f}\n", d.p99);
  fmt::print("  99.9% KLD   {:.6f}\n", d.p999);
  fmt::print("  RMS delta p {:.3f} %\n", 100.0 * d.rms_delta_p);
  fmt::print("  same top p  {:.3f} %\n", 100.0 * d.same_top);
}

Result<BaseFile> create_base(const std::string& path, const engine::PerplexityOptions& options,
                             std::span<const int32_t> tokens, int n_vocab) {
  const int64_t available = int64_t(tokens.size()) / options.n_context;
  const int64_t n =
      options.n_chunks > 0 ? std::min<int64_t>(options.n_chunks, available) : available;
  return BaseFile::create(path, options.n_context, n_vocab,
                          tokens.first(size_t(n * options.n_context)));
}

Status run(const Options& o) {
  LK_ASSIGN(const std::string path, resolve_model(o.common));
  LK_ASSIGN(const models::Tokenizer tokenizer, models::tokenizer_for_model(path));
  LK_ASSIGN(const std::string text, read_prompt({}, o.file));
  LK_ASSIGN(const std::vector<int32_t> tokens, tokenizer.encode(text, {}));
  LK_ASSIGN(const std::unique_ptr<engine::Engine> engine, load_engine(o.common));
  if (o.choices.wanted) {
    return run_multiple_choice(o.common, o.choices, *engine, tokenizer, tokens);
  }
  LK_ASSIGN(engine::PerplexityOptions options, evaluation_options(o, *engine, tokenizer));
  LK_ASSIGN(const engine::KvCache probe,
            engine::KvCache::create(engine->config(), options.cache, options.n_context, 1));
  watch_for_stop();
  Progress progress("perplexity", "chunks");
  std::string running;
  options.stopped = stop_requested;
  options.progress = [&](int done, int total, double ppl) {
    running += fmt::format("[{}]{:.4f},", done, ppl);
    if (!o.common.quiet) progress.update(done, total, fmt::format("ppl {:.4f}", ppl));
    return !stop_requested();
  };
  std::optional<BaseFile> base;
  if (!o.save_base.empty()) {
    LK_ASSIGN(base, create_base(o.save_base, options, tokens, engine->config().n_vocab));
    options.on_logits = [&](MatrixView<const float> logits) { return base->append(logits); };
  }
  LK_ASSIGN(const engine::PerplexityResult result, engine::perplexity(*engine, tokens, options));
  if (base) LK_RETURN_IF_ERROR(base->close());
  if (o.common.json()) {
    std::cout << fields(o, options, result, probe.layout()).dump() << '\n';
  } else {
    std::cout << running << '\n' << std::flush;
    print_text(result, probe.layout());
  }
  return {};
}

}  // namespace

void add_perplexity_command(CLI::App& program, Status& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("perplexity", "Perplexity of a text, and KL divergence");
  add_common_options(*command, options->common, Uses::kCache);
  command->add_option("-f,--file", options->file, "Text; - is stdin")->required();
  auto* chunks = command->add_option("--chunks", options->n_chunks, "Chunks to score; 0: all");
  chunks->check(CLI::NonNegativeNumber);
  auto* kld =
      command->add_flag("--kld", options->kld, "Also compare with the f32 cache, in the same run");
  auto* kld_exact = command->add_flag("--kld-exact", options->kld_exact,
                                      "As --kld, with float activations on the f32 cache's side");
  auto* per_token =
      command->add_flag("--per-token", options->per_token, "JSON: also every position's NLL");
  auto* save_base = command->add_option("--save-base", options->save_base,
                                        "Write all log-probabilities to this file, as llama.cpp's "
                                        "--kl-divergence-base reads them");
  add_multiple_choice_options(*command, options->choices);
  for (CLI::Option* option : {chunks, kld, kld_exact, per_token, save_base}) {
    option->excludes(command->get_option("--multiple-choice"));
  }
  command->callback([options, &status] { status = run(*options); });
}

}  // namespace lowkey::apps
