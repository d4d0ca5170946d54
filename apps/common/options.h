// Options that mean the same in every command, and what is made of them.
#pragma once

#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "engine/engine.h"

namespace lowkey::apps {

struct CommonOptions {
  std::string model;
  int n_threads = 0;
  int64_t n_context = 0;  // 0: the command's own default
  std::string cache = "f16";
  int n_sinks = -1;   // -1: none for full-rank caches
  int n_window = -1;
  std::string isa;
  bool exact = false;
  bool fast = false;
  bool low_memory = false;
  std::string prefill = "auto";
  std::string output = "text";
  bool quiet = false;

  bool json() const { return output == "json"; }
};

enum class Uses { kModelOnly, kEngine, kCache };

/// Adds -m, -o and, for an engine, -t --isa --exact..., and, for a cache, -c --cache --sinks...
void add_common_options(CLI::App& command, CommonOptions& options, Uses uses);

/// The model's file: a path, or a known model's name (then fetched into the cache folder).
Result<std::string> resolve_model(const CommonOptions& options);

Result<std::unique_ptr<engine::Engine>> load_engine(const CommonOptions& options);

/// The cache that --cache, --sinks and --window describe.
Result<engine::CacheSpec> cache_spec(const CommonOptions& options);

/// Text of -p, or of the file of -f ("-" reads stdin); exactly one must be given.
Result<std::string> read_prompt(const std::string& text, const std::string& file);

}  // namespace lowkey::apps
