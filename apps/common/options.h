// Options that mean the same in every command, and what is made of them.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/result.h"
#include "engine/engine.h"
#include "models/basis/basis.h"

namespace lowkey::apps {

struct CommonOptions {
  std::string model;
  int n_threads = 0;
  std::string cpu_mask, cpu_range;  // CPUs to run on, at most one of the two
  bool cpu_strict = false;          // each thread on a CPU of its own
  bool huge_pages = true;
  int64_t n_context = 0;  // 0: the command's own default
  std::string cache = "f16";
  bool cache_given = false;  // by --cache
  std::string basis;         // .lkb file of a latent cache, or "auto": the one in the cache folder
  double bits = 0;           // > 0: another budget than the basis file's own
  std::string budget;        // the same as "2.5b", "96B/token" or "4GiB@32k"
  int n_sinks = -1;          // -1: kSinks for latents, none for full-rank caches
  int n_window = -1;         // -1: kWindow for latents, none for full-rank caches
  double outliers = 0;       // most tokens of a latent cache kept exact by their gain, as a share
  int64_t lazy_bytes = 0;    // > 0: exact until the cache would take more than this
  bool adapt = false;        // bases of a latent cache follow the text
  bool adapt_moments = false;  // its means and steps do
  engine::AdaptOptions adapt_options{512, 0.5, 8, false};
  std::string isa;
  bool exact = false;
  bool fast = false;
  bool low_memory = false;
  bool screen = false;  // the command draws tokens: worth a screen of the vocabulary
  std::string prefill = "auto";
  std::string output = "text";
  bool quiet = false;

  bool json() const { return output == "json"; }
};

/// Tokens that latent caches keep exact if nothing else is said: the first, and the most recent.
constexpr int kSinks = 4, kWindow = 32;

// The parts of the common options, for commands in which some mean a little more.
void add_model_option(CLI::App& command, CommonOptions& options);    // -m
void add_engine_options(CLI::App& command, CommonOptions& options);  // -t -C --isa ... -q
void add_cache_option(CLI::App& command, CommonOptions& options);    // --cache
void add_basis_options(CLI::App& command, CommonOptions& options);   // -b --bits --budget
/// --sinks --window --outliers --kv-budget --adapt...
void add_exact_options(CLI::App& command, CommonOptions& options);

/// Lists options as accepted by every command, without effect in this one.
void without_effect(CLI::App& command, const std::vector<std::string>& names);

enum class Uses { kModelOnly, kEngine, kCache };

/// Adds -m, -o and, for an engine, -t --isa --exact..., and, for a cache, -c --cache --sinks...
/// What a command does not use it accepts all the same, so that options may be given to all alike.
void add_common_options(CLI::App& command, CommonOptions& options, Uses uses);

/// The model's file: a path, or a known model's name (then fetched into the cache folder).
Result<std::string> resolve_model(const CommonOptions& options);

/// Keeps this process to the CPUs of --cpu-mask or --cpu-range, before threads are started.
Status keep_to_cpus(const CommonOptions& options);

Result<std::unique_ptr<engine::Engine>> load_engine(const CommonOptions& options);

/// The cache that --cache or -b, --bits, --sinks and --window describe.
Result<engine::CacheSpec> cache_spec(const CommonOptions& options, const engine::Engine& engine);

/// Where neither --cache nor -b is given: one line on stderr about the model's basis in the cache
/// folder and what it saves, or about how to make one.
void offer_basis(const CommonOptions& options, const engine::Engine& engine);

/// The latent cache of a basis file's widths, no exact tokens set; `name` is for what is said of
/// it.
Result<engine::CacheSpec> latent_cache(models::BasisFile file, const engine::Engine& engine,
                                       const std::string& name);

/// Where `lowkey calibrate` puts a model's basis if it is not told: in the cache folder.
std::string default_basis_path(const models::Model& model);

/// Text of -p, or of the file of -f ("-" reads stdin); exactly one must be given.
Result<std::string> read_prompt(const std::string& text, const std::string& file);

}  // namespace lowkey::apps
