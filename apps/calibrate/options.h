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
  std::vector<std::string> methods = {"k-svd", "eigen", "kq-svd", "fisher"};
  std::vector<std::string> policies = {"global"};
  std::vector<std::string> controls = {"f16", "q8_0h", "q4_0h"};
  std::vector<double> sweep_bits = {1.5, 2.0, 2.5, 3.0, 4.0};
  std::string judge;  // text to judge by; empty: chunks of `text` that nothing was learned from
  int n_judge_chunks = 4;
};

void add_calibrate_options(CLI::App& command, CalibrateCommand& options);

/// Turns --budget, --kv-bytes-per-token and --policy into what the library takes; the model's
/// sizes decide. Wrong values are refused here, before any long work.
Status complete_options(const models::ModelConfig& config, CalibrateCommand& options);

}  // namespace lowkey::apps
