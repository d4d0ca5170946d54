// Options of `lowkey bench`, as llama-bench calls them where it has them.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "apps/common/options.h"
#include "engine/sample/sampler.h"

namespace lowkey::apps {

struct BenchOptions {
  CommonOptions common;
  std::vector<int64_t> n_prompt = {512}, n_gen = {128}, n_depth = {0}, batch = {1};
  std::vector<std::pair<int64_t, int64_t>> prompts_and_texts;  // lengths, measured together
  std::vector<std::string> caches;  // empty: f16; with --predict also q8_0, q4_0 and latent
  std::vector<double> bits;         // budgets of the latent cache; empty: the basis file's own
  int64_t top_k = engine::SamplerOptions{}.top_k;  // logits that every step asks for; 0: all
  int repetitions = 5;
  std::string format = "md";  // "text" becomes md
  std::string svg;            // folder for plots
  std::string memory;         // budget of the batch plot, e.g. 4GB
  bool peers = false;
  std::string peer_bin;  // folder with llama-bench and llama-batched-bench
  std::vector<std::string> peer_caches = {"f16"};
  bool no_model = false;  // leave out the forecast and its measurements

  bool predict = false;
  std::string shape;         // a model by its shape alone
  double weight_bits = 4.5;  // its weights
  std::string machine, dram;
  int cores = 0;         // 0: as the preset says, or 8
  double clock_ghz = 0;  // 0: as the preset says, or 3
  double products = 0;   // 8-bit products per core and cycle; 0: as the preset says, or 64
};

/// Adds every option; lists of numbers are parsed when the command line has been read, errors end
/// up where CLI11 reports them.
void add_bench_options(CLI::App& command, BenchOptions& options);

}  // namespace lowkey::apps
