#include "apps/common/options.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "apps/console/progress.h"
#include "apps/models_get/models_get.h"
#include "base/buffer.h"
#include "base/cpu.h"
#include "base/cpu_list.h"
#include "base/file_map.h"
#include "base/newlines.h"

namespace lowkey::apps {

namespace {

constexpr const char* kNoEffect = "Accepted by every command, without effect here";

void add_adapt_options(CLI::App& command, CommonOptions& o) {
  auto* bases = command.add_flag("--adapt", o.adapt,
                                 "Latent cache: bases of new tokens follow the text so far");
  command
      .add_flag("--adapt-moments", o.adapt_moments,
                "The same of means and steps, not of bases; measured to be worse than neither")
      ->excludes(bases);
  command.add_option("--adapt-every", o.adapt_options.every, "Tokens between two versions")
      ->capture_default_str();
  command.add_option("--adapt-rate", o.adapt_options.rate, "Weight of the newest tokens, 0 to 1")
      ->capture_default_str();
  command.add_option("--adapt-versions", o.adapt_options.max_versions, "Versions at most")
      ->capture_default_str();
}

void add_cache_options(CLI::App& command, CommonOptions& o) {
  command.add_option("-c,--context", o.n_context, "Context length in tokens; 0: the default")
      ->check(CLI::NonNegativeNumber);
  add_cache_option(command, o);
  add_basis_options(command, o);
  add_exact_options(command, o);
}

void add_cpu_options(CLI::App& command, CommonOptions& o) {
  auto* mask = command.add_option("-C,--cpu-mask", o.cpu_mask,
                                  "CPUs to run on, as a hexadecimal mask: 0xf is the first four");
  command.add_option("--cpu-range", o.cpu_range, "CPUs to run on, as a list: 0-3,8")
      ->excludes(mask);
  command.add_option("--huge-pages", o.huge_pages, "1: weights lie in huge pages; 0: not")
      ->capture_default_str();
  command
      .add_option("--cpu-strict", o.cpu_strict,
                  "1: each thread on one CPU; 0: the system may move threads about")
      ->capture_default_str();
}

/// Scripts pass the same options to every command, also to those that have no use for them.
void accept_other_options(CLI::App& command, CommonOptions& o) {
  const std::vector<CLI::Option*> own = command.get_options();
  add_engine_options(command, o);
  add_cache_options(command, o);
  for (CLI::Option* option : command.get_options()) {
    if (std::find(own.begin(), own.end(), option) == own.end()) option->group(kNoEffect);
  }
}

}  // namespace

void add_model_option(CLI::App& command, CommonOptions& o) {
  command
      .add_option("-m,--model", o.model,
                  "Model: a .gguf file, a folder with safetensors, or a name")
      ->required()
      ->envname("LOWKEY_MODEL");
}

void add_engine_options(CLI::App& command, CommonOptions& o) {
  command.add_option("-t,--threads", o.n_threads, "Threads; 0: all CPUs")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_cpu_options(command, o);
  command.add_option("--isa", o.isa,
                     "Kernel set by name (auto, amx, avx512, avxvnni, avx2, neon, scalar)");
  command.add_flag("--exact", o.exact, "Float activations: slower, as close to f32 as it gets");
  command.add_flag("--fast", o.fast, "8-bit activations: faster prefill, less accurate");
  command.add_flag("--low-memory", o.low_memory,
                   "Smaller blocks in prefill, no coarse copy of the vocabulary projection");
  command.add_option("--prefill", o.prefill, "Matrix products of prefill")
      ->check(CLI::IsMember({"auto", "integer", "bf16"}))
      ->capture_default_str();
  command.add_flag("-q,--quiet", o.quiet, "No progress and no timings");
}

void add_cache_option(CLI::App& command, CommonOptions& o) {
  command
      .add_option("--cache", o.cache,
                  "KV cache: f32 f16 bf16 q8_0 q4_0 q8_0h q4_0h; to compare with, simulated: "
                  "hadamard-kNvM, N and M of 2 to 4 bits")
      ->each([&o](const std::string&) { o.cache_given = true; })
      ->capture_default_str();
}

void add_basis_options(CLI::App& command, CommonOptions& o) {
  command.add_option("-b,--basis", o.basis, "Latent cache: a .lkb file, or 'auto'");
  auto* bits =
      command.add_option("--bits", o.bits, "Bits per element, below what the basis was made for")
          ->check(CLI::PositiveNumber);
  command.add_option("--budget", o.budget, "The same as 2.5b, 96B/token or 4GiB@32k")
      ->excludes(bits);
}

void add_exact_options(CLI::App& command, CommonOptions& o) {
  command.add_option("--sinks", o.n_sinks, "First tokens kept exact")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--window", o.n_window, "Recent tokens kept exact")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--outliers", o.outliers,
                  "Latent cache: largest share of tokens to keep exact because of their gain")
      ->check(CLI::Range(0.0, 1.0));
  command
      .add_option("--kv-budget", o.lazy_bytes,
                  "Keep all tokens exact until they take this much (64MiB, 2GiB), then code them")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::NonNegativeNumber);
  add_adapt_options(command, o);
}

void without_effect(CLI::App& command, const std::vector<std::string>& names) {
  for (const std::string& name : names) command.get_option(name)->group(kNoEffect);
}

void add_common_options(CLI::App& command, CommonOptions& o, Uses uses) {
  add_model_option(command, o);
  command.add_option("-o,--output", o.output, "Format of stdout")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  if (uses == Uses::kModelOnly) return accept_other_options(command, o);
  add_engine_options(command, o);
  if (uses == Uses::kCache) add_cache_options(command, o);
}

Result<std::string> resolve_model(const CommonOptions& options) {
  if (std::filesystem::exists(options.model)) return options.model;
  if (options.model.find('/') == std::string::npos && find_known_model(options.model).ok()) {
    return get_model(options.model, "");
  }
  return make_error(ErrorCode::kNotFound, options.model,
                    "expected a model file, a folder, or a name that `lowkey models list` shows; "
                    "found nothing there");
}

Status keep_to_cpus(const CommonOptions& o) {
  const bool by_mask = !o.cpu_mask.empty();
  if (!by_mask && o.cpu_range.empty()) return {};
  const std::string option = by_mask ? "--cpu-mask" : "--cpu-range";
  const auto cpus = by_mask ? parse_cpu_mask(o.cpu_mask) : parse_cpu_list(o.cpu_range);
  if (!cpus.ok()) return make_error(cpus.error().code, option, cpus.error().what);
  return lowkey::keep_to_cpus(*cpus, option);
}

Result<std::unique_ptr<engine::Engine>> load_engine(const CommonOptions& o) {
  LK_ASSIGN(const std::string path, resolve_model(o));
  LK_RETURN_IF_ERROR(keep_to_cpus(o));
  use_huge_pages(o.huge_pages);
  engine::EngineOptions options;
  options.n_threads = o.n_threads;
  options.pinning = o.cpu_strict ? Pinning::kCpus : Pinning::kNodes;
  options.isa = o.isa;
  if (o.exact && o.fast) {
    return make_error(ErrorCode::kInvalidArgument, "--exact --fast",
                      "expected one of them, found both");
  }
  if (o.exact) options.precision = engine::Precision::kExact;
  if (o.fast) options.precision = engine::Precision::kFast;
  using Prefill = engine::EngineOptions::Prefill;
  options.prefill = o.prefill == "bf16"      ? Prefill::kBf16
                    : o.prefill == "integer" ? Prefill::kInteger
                                             : Prefill::kAuto;
  options.screen = o.screen && !o.low_memory;
  Progress progress("loading", "layers");
  if (!o.quiet) {
    options.progress = [&](int done, int total) { progress.update(done, total); };
  }
  auto engine = engine::Engine::load(path, options);
  if (engine.ok()) {
    spdlog::info("kernel set {}, {} threads", (*engine)->context().kernels->name,
                 (*engine)->n_threads());
  }
  return engine;
}

Result<std::string> read_prompt(const std::string& text, const std::string& file) {
  if (text.empty() == file.empty()) {
    return make_error(
        ErrorCode::kInvalidArgument, "-p, -f",
        "expected a text or a file, found " + std::string(text.empty() ? "neither" : "both"));
  }
  if (file.empty()) return text;
  if (file == "-") {
    return with_unix_newlines(
        std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()));
  }
  LK_ASSIGN(const std::string bytes, read_text_file(file));
  return with_unix_newlines(bytes);
}

}  // namespace lowkey::apps
