// Options of `lowkey calibrate`.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "apps/common/options.h"
#include "calib/calibrate.h"

namespace lowkey::apps {

struct CalibrateCommand {
  CommonOptions common;
  calib::CalibrateOptions calibrate;
  std::string text, out, budget;
  int64_t n_tokens = 0;
  double kv_bytes_per_token = 0;
  bool resume = false;
  // The sweep's own.
  bool sweep = false;
  std::vector<std::string> methods;  // none given, and no bases: the closed forms
  std::vector<std::string> policies = {"global"};
  std::vector<std::string> controls = {"f16", "q8_0h", "q4_0h"};
  std::vector<double> sweep_bits = {1.5, 2.0, 2.5, 3.0, 4.0};
  std::string svg, csv;             // files to write as well
  std::vector<std::string> bases;   // files calibrated before, as further methods
  std::vector<std::string> judges;  // texts; empty: chunks of `text` that nothing was learned from
  int n_judge_chunks = 4;
  int n_judge_context = 0;  // tokens of a chunk to judge by; 0: as many as of one to learn from
};

void add_calibrate_options(CLI::App& command, CalibrateCommand& options);

/// Turns --budget, --kv-bytes-per-token and --policy into what the library takes; the model's
/// sizes decide. Wrong values are refused here, before any long work.
Status complete_options(const models::ModelConfig& config, CalibrateCommand& options);

}  // namespace lowkey::apps
