// `lowkey calibrate --sweep`: the measured front of methods and controls.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/calibrate/options.h"

namespace lowkey::apps {

struct SweepRow {
  std::string name;    // a method, or a control's cache
  std::string policy;  // empty for controls
  std::string text;    // that judged
  double bits_per_element = 0, bytes_per_token = 0;
  double ppl = 0, ppl_change = 0, kld = 0, kld_stderr = 0;
  double predicted_kld = 0;  // of methods
};

/// Measures all methods and basis files at all budgets, and the controls, on every text and with
/// the same tokens kept exact; prints rows in the format that -o names. A sweep that is
/// stopped prints the rows it has, and then says so.
Status run_sweep(const CalibrateCommand& options, const engine::Engine& engine,
                 const std::string& model_path);

nlohmann::json sweep_json(const std::vector<SweepRow>& rows);
std::string sweep_csv(const std::vector<SweepRow>& rows);
std::string sweep_svg(const std::vector<SweepRow>& rows);

}  // namespace lowkey::apps
