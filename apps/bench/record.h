// A benchmark record as fields: llama-bench's names, and what it does not know.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apps/bench/forecast.h"
#include "apps/bench/rows.h"

namespace lowkey::apps {

/// Everything about a finished test that a record says.
struct Finished {
  BenchRecord record;
  Forecast forecast;
  bool has_forecast = false;
  std::map<std::string, double> peer_ratios;  // ours / theirs by their cache: median over rounds
};

/// Mean, deviation and samples of a test's repetitions, in llama-bench's fields.
void add_samples(Row& row, const std::vector<double>& ns, const std::vector<double>& ts);

Row record_fields(const Finished& finished, const engine::Engine& engine);

/// "pp512", "tg32 @ d7168", "tg32 @ d2048 x16"
std::string test_name(int64_t n_prompt, int64_t n_gen, int64_t n_depth, int64_t batch);

/// The columns of the Markdown table, for our records and a peer's.
std::vector<MarkdownColumn> record_columns();

}  // namespace lowkey::apps
